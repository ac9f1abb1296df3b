package web

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// maxWeight bounds what the page loads, in bytes, without the data that it
// shows.
const maxWeight = 150 << 10

// Conditions in the page.
const (
	live = `document.querySelector('#link').dataset.state === 'up'`
	// answered: there is a stable label, over the picture too, and five bars.
	answered = `!document.querySelector('#label').classList.contains('none') && !document.querySelector('#caption').hidden &&
		document.querySelector('#caption-label').textContent === document.querySelector('#label').textContent &&
		document.querySelectorAll('#bars li:not(.gone)').length === 5`
	pictured = `document.querySelector('#stream').naturalWidth > 0 && document.querySelector('#picture-note').hidden`
	// pixels of the picture, as text.
	pixels = `(() => { const c = new OffscreenCanvas(64, 48), x = c.getContext('2d');
		x.drawImage(document.querySelector('#stream'), 0, 0, 64, 48); return x.getImageData(0, 0, 64, 48).data.join() })()`
)

func TestPageWeight(t *testing.T) {
	total := 0
	for name, a := range newPage() {
		require.NotEmpty(t, a.kind, name)
		total += len(a.data)
	}
	require.LessOrEqual(t, total, maxWeight)
	t.Logf("the page is %d bytes in all", total)
}

// TestPage looks at the page of the running demo as a visitor does.
func TestPage(t *testing.T) {
	b := newTab(t)
	d := startDemo(t, "127.0.0.1:0")
	b.open(d.url("/"))
	b.until("the page is live", live)
	b.until("predictions appear", answered)
	b.until("there is a picture", pictured)

	before := eval[string](b, pixels)
	b.until("the picture changes", pixels+" !== "+fmt.Sprintf("%q", before))
	for _, chart := range []string{"#timeline-chart", "#stages-chart"} {
		drawing := `document.querySelector('` + chart + `').toDataURL()`
		before := eval[string](b, drawing)
		b.until("the chart moves", fmt.Sprintf("%s !== %q", drawing, before))
	}
	b.until("bars move smoothly", `document.getAnimations().some(a => a.transitionProperty === 'transform' && a.effect.target.className === 'fill')`)
	b.until("a stage has a time", `document.querySelectorAll('#stages-rows td')[6].textContent.endsWith('ms')`)
	b.until("the broker is connected", `document.querySelector('#facts-broker').textContent.includes('connected')`)
	b.until("frames are counted", `/Classified[1-9]/.test(document.querySelector('#facts-camera').textContent)`)
	b.until("a change is listed", `document.querySelectorAll('#changes time').length > 0`)
	require.Equal(t, eval[string](b, `fetch('api/v1/status').then(r => r.json()).then(s => s.model.kernel)`),
		eval[string](b, `[...document.querySelectorAll('#facts-model dt')].find(e => e.textContent === 'Kernel').nextSibling.textContent`))
	require.Contains(t, eval[string](b, `document.title`), " · vitedge")
	// What only a board knows, and a configuration without a broker.
	require.Equal(t, "BoardRaspberry Pi 5Temperature51.2 °CPower and heatunder-voltageMemory40 MBUp1 min 1 sViewers0|Statenone configured",
		eval[string](b, `import('./page/facts.js').then(({ facts }) => {
			facts({ model: { name: 'm', sha256: '0123456789', kernel: 'neon' }, broker: null, viewers: 0, mono_ms: 61000,
				device: { board: 'Raspberry Pi 5', temp_c: 51.234, throttled: ['under-voltage'], rss_bytes: 4e7 } }, null);
			return document.querySelector('#facts-device').textContent + '|' + document.querySelector('#facts-broker').textContent })`))
	// Two seconds of the device in one moment of the browser, then a new session.
	require.Equal(t, []float64{12, 12}, eval[[]float64](b, `import('./page/camera.js').then(({ Camera }) => {
		const c = new Camera('c'), rates = [];
		for (const [classified, mono] of [[0, 500], [24, 2500], [3, 100]]) { c.counted({ classified }, mono); if (c.rate !== null) rates.push(c.rate) }
		return rates })`))

	require.Empty(t, b.found())
	b.mu.Lock()
	defer b.mu.Unlock()
	require.NotEmpty(t, b.requests)
	for _, url := range b.requests {
		require.True(t, strings.HasPrefix(url, d.url("/")), "a request to %s", url)
	}
	total := 0.0
	for id, n := range b.weight {
		if b.kind[id] != "Fetch" {
			total += n
		}
	}
	require.Greater(t, total, 10e3)
	require.LessOrEqual(t, total, float64(maxWeight))
	t.Logf("the browser loaded %.0f bytes for the page, headers included", total)
}

// TestPageAfterRestart ends the daemon and starts another at the same address.
func TestPageAfterRestart(t *testing.T) {
	b := newTab(t)
	addr := freePort(t)
	d := startDemo(t, addr)
	b.open(d.url("/"))
	b.until("the page is live", live)
	b.until("predictions appear", answered)
	b.until("there is a picture", pictured)
	require.Empty(t, b.found())
	eval[bool](b, `(window.mark = document.querySelector('#changes time').dateTime, true)`)

	d.stop()
	b.until("the page says since when", `/^Disconnected since \d\d:\d\d:\d\d$/.test(document.querySelector('#link-text').textContent)`)
	b.until("and that there is no picture", `document.querySelector('#picture-note').textContent === 'No connection to the device'`)
	startDemo(t, addr)
	b.until("the page is live again", live)
	b.until("there is a picture again", pictured)
	b.until("there are answers again", answered+` && [...document.querySelectorAll('#changes time')].some(e => e.dateTime > mark)`)
	before := eval[string](b, pixels)
	b.until("the picture changes again", pixels+" !== "+fmt.Sprintf("%q", before))
	for _, problem := range b.found() {
		require.Regexp(t, `ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE`, problem,
			"nothing but the absence of the daemon is a problem")
	}
}

// TestPageAsksForNothingUnseen guards that the stream ends with who looks at it.
func TestPageAsksForNothingUnseen(t *testing.T) {
	b := newTab(t)
	d := startDemo(t, "127.0.0.1:0")
	b.open(d.url("/"))
	viewers := func(n int) {
		t.Helper()
		b.until("the number of viewers", fmt.Sprintf(`fetch('api/v1/status').then(r => r.json()).then(s => s.viewers === %d)`, n))
	}
	b.until("there is a picture", pictured)
	viewers(1)
	b.do(chromedp.Click("#pause"))
	viewers(0)
	b.until("the last picture stays", `!document.querySelector('#still').hidden && document.querySelector('#picture-note').textContent === 'Paused'`)
	b.do(chromedp.Click("#pause"))
	viewers(1)

	visibility := func(state string) {
		eval[bool](b, `(Object.defineProperty(document, 'visibilityState', {value: '`+state+`', configurable: true}),
			document.dispatchEvent(new Event('visibilitychange')))`)
	}
	visibility("hidden")
	viewers(0)
	visibility("visible")
	viewers(1)
	b.until("there is a picture again", pictured)
	require.Empty(t, b.found())
}

// TestPageOfSeveralCameras chooses with the keyboard.
func TestPageOfSeveralCameras(t *testing.T) {
	b := newTab(t)
	d := startTwoCameras(t)
	b.open(d.url("/"))
	b.until("predictions appear", answered)
	b.until("both cameras are there", `[...document.querySelectorAll('#cameras input')].map(e => e.value).join() === 'cam,yard'`)
	b.until("the first is shown", pictured+` && document.querySelector('#stream').src.includes('camera=cam')`)
	b.do(chromedp.Focus("#cameras input"), chromedp.KeyEvent(kb.ArrowRight))
	b.until("the second is shown", pictured+` && document.querySelector('#stream').src.includes('camera=yard') && document.querySelector('#stream').alt.includes('yard')`)
	b.until("its answers, too", answered+` && location.hash === '#yard'`)
	b.do(chromedp.Reload())
	b.until("the choice outlives a reload", pictured+` && document.querySelector('#stream').src.includes('camera=yard')`)
	require.Empty(t, b.found())
}

// TestOtherSitesInTheBrowser lets a page of another origin try, and a name that
// leads here without being ours, as after DNS rebinding.
func TestOtherSitesInTheBrowser(t *testing.T) {
	b := newTab(t)
	d := startDemo(t, "127.0.0.1:0")
	_, port, _ := strings.Cut(d.addr, ":")
	for _, path := range []string{"/", "/api/v1/latest", "/snapshot.jpg", "/stream.mjpg"} {
		b.open("http://rebound.example:" + port + path)
		require.Contains(t, eval[string](b, `document.body.innerText`), "this is not the host that the request is for", path)
	}

	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>other</title>")
	}))
	defer other.Close()
	for _, site := range []string{other.URL, "http://other.example:" + other.URL[strings.LastIndex(other.URL, ":")+1:]} {
		b.open(site)
		for what, try := range map[string]string{
			"fetch":           `fetch(%q + 'api/v1/latest').then(() => true, () => false)`,
			"a blind fetch":   `fetch(%q + 'api/v1/latest', {mode: 'no-cors'}).then(() => true, () => false)`,
			"an event stream": `new Promise(done => { const e = new EventSource(%q + 'api/v1/events'); e.onopen = () => done(true); e.onerror = () => done(false) })`,
			"a picture":       `new Promise(done => { const i = new Image(); i.onload = () => done(true); i.onerror = () => done(false); i.src = %q + 'snapshot.jpg' })`,
			"a stream":        `new Promise(done => { const i = new Image(); i.onload = () => done(true); i.onerror = () => done(false); i.src = %q + 'stream.mjpg' })`,
			"a script":        `new Promise(done => { const s = document.createElement('script'); s.onload = () => done(true); s.onerror = () => done(false); s.src = %q + 'page/main.js'; document.head.append(s) })`,
		} {
			require.False(t, eval[bool](b, fmt.Sprintf(try, d.url("/"))), "%s from %s", what, site)
		}
		// A frame loads its error page instead, which has no picture.
		require.False(t, eval[bool](b, fmt.Sprintf(`new Promise(done => { const f = document.createElement('iframe'); f.src = %q;
			f.onload = () => { try { done(f.contentDocument?.querySelector('#stream') != null) } catch { done(false) } }; document.body.append(f) })`, d.url("/"))))
	}
	// The same requests work from the page itself.
	b.open(d.url("/"))
	require.True(t, eval[bool](b, `fetch('api/v1/latest').then(r => r.ok)`))
}

// TestPageFitsAPhone looks for a need to scroll sideways.
func TestPageFitsAPhone(t *testing.T) {
	b := newTab(t)
	d := startDemo(t, "127.0.0.1:0")
	for _, width := range []int64{320, 390, 600, 800, 1000, 1440} {
		b.do(chromedp.EmulateViewport(width, 844, chromedp.EmulateScale(2)))
		b.open(d.url("/"))
		b.until("predictions appear", answered+" && "+pictured)
		require.Equal(t, float64(width), eval[float64](b, `document.documentElement.scrollWidth`), "at a width of %d", width)
		b.until("charts are as sharp as the screen", `document.querySelector('#timeline-chart').width === Math.round(2 * document.querySelector('#timeline-chart').getBoundingClientRect().width)`)
		small := eval[[]string](b, `[...document.querySelectorAll('button, .tools a, #range label')].filter(e => !e.hidden).map(e => [e.id || e.textContent, e.getBoundingClientRect()])
			.filter(([, r]) => r.width < 24 || r.height < 24).map(([name]) => name)`)
		require.Empty(t, small, "targets smaller than 24 pixels (WCAG 2.5.8)")
		for _, seconds := range []int{60, 180, 600} {
			b.do(chromedp.Click(fmt.Sprintf(`#range input[value="%d"]`, seconds)))
			require.Empty(t, eval[[]string](b, crowded), "times of the charts' axes at a width of %d", width)
		}
	}
	require.Empty(t, b.found())
}

// crowded lists neighboring times of an axis that touch each other. It watches
// what the charts write until each has written the last one.
const crowded = `new Promise(done => {
	const proto = CanvasRenderingContext2D.prototype, write = proto.fillText, axes = new Map(), found = [];
	const waiting = new Set(['timeline-chart', 'stages-chart']);
	proto.fillText = function(text, x, y) {
		write.call(this, text, x, y);
		const id = this.canvas.id, width = this.measureText(text).width;
		const left = { left: x, center: x - width / 2, right: x - width }[this.textAlign];
		if (!waiting.has(id)) return;
		axes.get(id)?.push({ text, y, left, right: left + width });
		if (text !== 'now') return;
		if (!axes.has(id)) { // the next drawing is watched from its beginning
			axes.set(id, []);
			return;
		}
		waiting.delete(id);
		const texts = axes.get(id).filter(a => a.y === y);
		texts.forEach((a, i) => { if (i && a.left < texts[i - 1].right + 8) found.push(texts[i - 1].text + ' | ' + a.text) });
		if (waiting.size) return;
		proto.fillText = write;
		done(found);
	};
})`

// TestPageIsAccessible checks names, landmarks, order of focus and contrast.
func TestPageIsAccessible(t *testing.T) {
	b := newTab(t)
	d := startTwoCameras(t)
	b.open(d.url("/"))
	b.until("predictions appear", answered+" && "+pictured)

	landmarks := map[string]int{}
	for _, n := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		role, name := axText(n.Role), axText(n.Name)
		landmarks[role]++
		switch role {
		case "button", "link", "radio", "slider", "img", "image", "list", "table", "region", "navigation", "group", "radiogroup", "heading", "columnheader", "rowheader":
			if role == "group" || role == "image" || role == "list" { // of SVG, of decoration, of facts
				continue
			}
			require.NotEmpty(t, name, "a %s without a name", role)
		}
	}
	for _, role := range []string{"banner", "main", "contentinfo", "navigation", "status", "table", "slider"} {
		require.Equal(t, 1, landmarks[role], role)
	}
	require.Equal(t, "en", eval[string](b, `document.documentElement.lang`))
	require.Equal(t, 1.0, eval[float64](b, `document.querySelectorAll('h1').length`))
	require.Equal(t, "polite", eval[string](b, `document.querySelector('#announce').ariaLive`))
	b.until("a change is announced", `/^cam: ./.test(document.querySelector('#announce').textContent)`)

	var order []string
	for len(order) < 40 {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := eval[string](b, `(e => e.id || e.name || e.getAttribute('href') || e.tagName)(document.activeElement)`)
		if at == "BODY" || slices.Contains(order, at) && at != "range" {
			break
		}
		require.Truef(t, eval[bool](b, `(e => { const s = getComputedStyle(e), n = e.nextElementSibling && getComputedStyle(e.nextElementSibling);
			return s.outlineStyle !== 'none' || n?.outlineStyle !== 'none' })(document.activeElement)`), "no visible focus on %s", at)
		order = append(order, at)
	}
	require.Equal(t, []string{"#answer", "camera", "pause", "snapshot", "full", "range", "timeline-chart", "api/v1/latest", "api/v1/status", "metrics", "readyz"}, order)

	b.do(chromedp.Focus("#timeline-chart"), chromedp.KeyEvent(kb.ArrowLeft))
	b.until("the timeline says what was then", `/ago: /.test(document.querySelector('#timeline-chart').ariaValueText) && !document.querySelector('#tip').hidden`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until("and stops", `document.querySelector('#tip').hidden`)

	for _, theme := range []string{"light", "dark"} {
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		texts := eval[[]coloredText](b, contrast)
		require.Greater(t, len(texts), 30)
		for _, x := range texts {
			ratio := contrastRatio(flatten(append(x.Fore, x.Back...)), flatten(x.Back))
			require.GreaterOrEqualf(t, ratio, 4.5, "%q in the %s theme", x.Text, theme)
		}
		// What the charts draw, text first; lines and dots need 3 (WCAG 1.4.11).
		for _, c := range []struct {
			fore, back string
			least      float64
		}{
			{"soft", "card", 4.5}, {"text", "tint", 4.5}, {"text", "tint2", 4.5}, {"card", "accent", 4.5},
			{"accent", "card", 3}, {"fault", "card", 3},
		} {
			colors := eval[[][4]float64](b, fmt.Sprintf(`[%q, %q].map(name => (%s)(getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()))`, c.fore, c.back, rgba))
			require.GreaterOrEqualf(t, contrastRatio(flatten(colors[:1]), flatten(colors[1:])), c.least, "%s on %s in the %s theme", c.fore, c.back, theme)
		}
		require.Equal(t, "none", eval[string](b, `getComputedStyle(document.querySelector('#bars .fill')).transitionProperty`))
	}
	require.Empty(t, b.found())
}

// coloredText is a text, its color, and the colors behind it from front to back.
type coloredText struct {
	Text       string
	Fore, Back [][4]float64 // red, green, blue to 255, alpha to 1
}

// rgba is a function of JavaScript that takes a CSS color apart.
const rgba = `c => { const x = new OffscreenCanvas(1, 1).getContext('2d'); x.fillStyle = c; x.fillRect(0, 0, 1, 1); const d = x.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255] }`

// contrast lists every visible text with its color and the backgrounds behind
// it. What is behind those is taken for white, as a picture may be.
const contrast = `(() => {
	const rgba = ` + rgba + `;
	const found = [];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest('.hidden, .gone, noscript, .skip')) continue;
		const back = [];
		for (let p = e; p; p = p.parentElement) back.push(rgba(getComputedStyle(p).backgroundColor));
		found.push({ Text: walk.currentNode.data, Fore: [rgba(getComputedStyle(e).color)], Back: e.closest('#picture') ? back.slice(0, back.findIndex(c => c[3] > 0) + 1) : back });
	}
	return found;
})()`

// axText is the text of a value of the accessibility tree.
func axText(v *accessibility.Value) string {
	var text string
	if v != nil {
		json.Unmarshal(v.Value, &text) // what is no text has none
	}
	return text
}

// flatten lays colors over each other, the first in front, on white.
func flatten(colors [][4]float64) [3]float64 {
	out := [3]float64{255, 255, 255}
	for _, c := range slices.Backward(colors) {
		for i := range out {
			out[i] = c[3]*c[i] + (1-c[3])*out[i]
		}
	}
	return out
}

// contrastRatio is that of WCAG 2.2.
func contrastRatio(a, b [3]float64) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c [3]float64) float64 {
	linear := func(v float64) float64 {
		if v /= 255; v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

func TestContrastRatio(t *testing.T) {
	require.InDelta(t, 21, contrastRatio([3]float64{}, [3]float64{255, 255, 255}), 1e-9)
	require.InDelta(t, 4.54, contrastRatio([3]float64{118, 118, 118}, [3]float64{255, 255, 255}), 0.005)
}
