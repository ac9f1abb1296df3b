package web

import (
	"bytes"
	"flag"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	devtools "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "take the screenshots in testdata/screenshots anew, of vitedge demo")

// shots are the pictures of the page. The README shows them.
var shots = []struct {
	name          string
	width, height int64
	scale         float64
	theme         string
}{
	{"light", 1280, 1200, 1, "light"},
	{"dark", 1280, 1200, 1, "dark"},
	{"phone", 390, 844, 2, "dark"},
}

// maxShot bounds a screenshot in bytes.
const maxShot = 150 << 10

func shotPath(name string) string { return filepath.Join("testdata", "screenshots", name+".jpg") }

// TestScreenshots checks the pictures that are kept. To take them anew:
//
//	go test ./cmd/vitedge/internal/web -run Screenshots -update
func TestScreenshots(t *testing.T) {
	if *update {
		takeScreenshots(t)
	}
	for _, s := range shots {
		data, err := os.ReadFile(shotPath(s.name))
		require.NoError(t, err)
		require.LessOrEqual(t, len(data), maxShot, s.name)
		c, err := jpeg.DecodeConfig(bytes.NewReader(data))
		require.NoError(t, err)
		require.Equal(t, [2]int{int(float64(s.width) * s.scale), int(float64(s.height) * s.scale)}, [2]int{c.Width, c.Height}, s.name)
	}
}

// takeScreenshots lets the demo run until the timeline has something to show.
func takeScreenshots(t *testing.T) {
	require.NoError(t, os.MkdirAll(filepath.Dir(shotPath("")), 0o755))
	d := startDemo(t, "127.0.0.1:0")
	b := newTab(t)
	b.do(chromedp.EmulateViewport(1280, 1200))
	b.open(d.url("/"))
	b.do(chromedp.Click("#range input"))
	b.patience *= 3
	b.until("a timeline with a minute in it", `performance.now() > 70000 && document.querySelectorAll('#changes li').length === 5`)
	for _, s := range shots {
		b.do(chromedp.EmulateViewport(s.width, s.height, chromedp.EmulateScale(s.scale)))
		call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.theme}},
		})
		b.until("a sure answer that has stood for a second, and bars at rest", fmt.Sprintf(
			`innerWidth === %d && !document.getAnimations().some(a => a.transitionProperty === 'transform' && a.effect.target.tagName === 'LI') && parseInt(document.querySelector('#bars .first .score')?.textContent) >= 90 && /for [12] s/.test(document.querySelector('#since').textContent)`+
				` && document.querySelector('#label').textContent !== 'nothing'`, s.width))
		var data []byte
		for quality := int64(90); quality == 90 || len(data) > maxShot; quality -= 6 {
			data = call(b, devtools.CaptureScreenshot, devtools.CaptureScreenshotParams{Format: devtools.CaptureScreenshotFormatJpeg, Quality: &quality}).Data
		}
		require.NoError(t, os.WriteFile(shotPath(s.name), data, 0o644))
	}
}
