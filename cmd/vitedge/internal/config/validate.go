package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	idPattern     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,47}$`)
	cameraPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	prefixPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)
)

// MaxThreads is the largest model.threads.
const MaxThreads = 256

// reserved are the topic levels beside the cameras' below the base topic.
var reserved = []string{"availability", "status", "cmd"}

// BrokerSchemes are the URL schemes of mqtt.url and whether they mean TLS.
var BrokerSchemes = map[string]bool{"mqtt": false, "tcp": false, "mqtts": true, "ssl": true, "tls": true}

// validate reports every value that the daemon cannot work with.
func validate(l *loader) {
	v := validator{l}
	c := &l.cfg

	v.check(c.Device.ID == "" || idPattern.MatchString(c.Device.ID), "device.id",
		"is %q; want 1 to 48 of a-z, 0-9, _ and -, starting with a letter or digit", c.Device.ID)
	v.check(len(c.Device.Name) <= 100, "device.name", "has %d bytes; want at most 100", len(c.Device.Name))
	v.text("device.name", c.Device.Name)
	v.check(filepath.IsAbs(c.StateDir), "state_dir", "is %q; want an absolute path", c.StateDir)
	v.check(c.Model.Path != "", "model.path", "is empty; name a model file made by quantize")
	v.within("model.threads", c.Model.Threads, 0, MaxThreads)
	v.cameras(c)

	v.duration("decide.interval", c.Decide.Interval, 0, time.Hour)
	v.within("decide.top", c.Decide.Top, 1, 20)
	v.check(c.Decide.Threshold >= 0 && c.Decide.Threshold <= 1, "decide.threshold", "is %v; want 0 to 1", c.Decide.Threshold)
	v.within("decide.window", c.Decide.Window, 1, 100)
	v.check(c.Decide.Votes <= c.Decide.Window && 2*c.Decide.Votes > c.Decide.Window, "decide.votes",
		"is %d of decide.window %d; want more than half of it and no more than it, so that one label wins", c.Decide.Votes, c.Decide.Window)
	v.duration("decide.hold", c.Decide.Hold, 0, time.Hour)
	v.duration("decide.heartbeat", c.Decide.Heartbeat, time.Second, 24*time.Hour)

	v.mqtt(&c.MQTT)
	v.check(prefixPattern.MatchString(c.HomeAssistant.Prefix), "home_assistant.prefix",
		"is %q; want topic levels of letters, digits, _ and -", c.HomeAssistant.Prefix)
	v.http(&c.HTTP)
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "auto", "text", "json")
}

type validator struct{ *loader }

// origin is where the value of key was written: the key itself, else the
// nearest part above it that was.
func (v validator) origin(key string) origin {
	for {
		if o, ok := v.origins[key]; ok {
			return o
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return origin{where: "default"}
		}
		key = key[:i]
	}
}

func (v validator) check(ok bool, key, format string, args ...any) {
	if !ok {
		v.problems.add(v.origin(key), key, format, args...)
	}
}

func (v validator) within(key string, n, low, high int) {
	v.check(n >= low && n <= high, key, "is %d; want %d to %d", n, low, high)
}

func (v validator) duration(key string, d, low, high time.Duration) {
	v.check(d >= low && d <= high, key, "is %s; want %s to %s", shortDuration(d), shortDuration(low), shortDuration(high))
}

// text refuses what a broker closes the connection for (MQTT 3.1.1, section
// 1.5.3).
func (v validator) text(key, s string) {
	v.check(utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl), key, "is %q; want text in UTF-8 without control characters", s)
}

func (v validator) oneOf(key, value string, choices ...string) {
	v.check(slices.Contains(choices, value), key, "is %q; want one of %s", value, strings.Join(choices, ", "))
}

func (v validator) cameras(c *Config) {
	v.check(len(c.Cameras) > 0, "cameras", "names none; write one below it, for example cam:")
	v.check(len(c.Cameras) <= 16, "cameras", "names %d; want at most 16", len(c.Cameras))
	sources := make(map[string]string)
	for _, name := range c.CameraNames() {
		camera, key := c.Cameras[name], "cameras."+name
		v.check(cameraPattern.MatchString(name), key, "is not a name of a camera; want 1 to 32 of a-z, 0-9, _ and -, starting with a letter or digit")
		v.check(!slices.Contains(reserved, name), key, "is a topic of the device; choose another name")
		v.check(camera.Source != "", key+".source", "is empty; want auto, /dev/videoN, file:PATH, http://… or test:")
		v.source(key+".source", camera.Source)
		if other, twice := sources[camera.Source]; twice && camera.Source != "" {
			v.check(false, key+".source", "is %q, which camera %s has already", Redacted(camera.Source), other)
		}
		sources[camera.Source] = name
		v.check(camera.FPS >= 0 && camera.FPS <= 1000, key+".fps", "is %v; want 0 (the camera's own) to 1000", camera.FPS)
		v.within(key+".width", camera.Width, 0, 16384)
		v.within(key+".height", camera.Height, 0, 16384)
		v.check((camera.Width == 0) == (camera.Height == 0), key+".width", "is %d and %s.height is %d; set both or neither", camera.Width, key, camera.Height)
		v.oneOf(key+".format", camera.Format, "auto", "yuyv", "nv12", "grey", "rgb24", "bgr24", "mjpeg")
		v.oneOf(key+".flip", camera.Flip, "none", "horizontal", "vertical", "both")
		v.check(slices.Contains([]int{0, 90, 180, 270}, camera.Rotate), key+".rotate", "is %d; want 0, 90, 180 or 270", camera.Rotate)
		v.duration(key+".max_age", camera.MaxAge, 0, time.Hour)
		v.duration(key+".frozen_after", camera.FrozenAfter, 0, 24*time.Hour)
		v.within(key+".dark_level", camera.DarkLevel, 0, 255)
		v.check(insideFrame(camera.Crop), key+".crop", "is %v; want x, y, width and height as fractions inside the frame, or nothing", camera.Crop)
	}
}

// source refuses URLs that no camera is behind. It shows none of them: they may
// hold a password.
func (v validator) source(key, source string) {
	scheme, rest, _ := strings.Cut(source, ":")
	switch {
	case !strings.HasPrefix(rest, "//") || scheme == "file" || scheme == "test":
	case scheme == "http" || scheme == "https":
		u, err := url.Parse(source)
		v.check(err == nil && u.Host != "", key, "is no URL with a host; want %s://HOST/PATH", scheme)
	default:
		v.check(false, key, "is a URL of %s; want http://… or https://… of MJPEG or JPEG, as go2rtc makes of RTSP", scheme)
	}
}

// insideFrame reports whether crop is empty, or x, y, width and height of a
// part of the unit square.
func insideFrame(crop []float64) bool {
	if len(crop) == 0 {
		return true
	}
	return len(crop) == 4 && crop[0] >= 0 && crop[1] >= 0 && crop[2] > 0 && crop[3] > 0 &&
		crop[0]+crop[2] <= 1 && crop[1]+crop[3] <= 1
}

func (v validator) mqtt(m *MQTT) {
	secure := false
	if m.URL != "" {
		secure = v.broker(m.URL)
	}
	for _, t := range []struct{ key, topic string }{{"mqtt.base_topic", m.BaseTopic}} {
		bad := t.topic == "" || len(t.topic) > 200 || strings.ContainsAny(t.topic, "+#\x00 ") ||
			strings.HasPrefix(t.topic, "/") || strings.HasSuffix(t.topic, "/") || strings.HasPrefix(t.topic, "$") || strings.Contains(t.topic, "//")
		v.check(!bad, t.key, "is %q; want 1 to 200 bytes without +, #, $ in front, spaces or empty levels", t.topic)
	}
	v.text("mqtt.base_topic", m.BaseTopic)
	v.text("mqtt.client_id", m.ClientID)
	v.text("mqtt.username", m.Username)
	v.check(m.ClientID != "" && len(m.ClientID) <= 128, "mqtt.client_id", "is %q; want 1 to 128 bytes", m.ClientID)
	v.check(m.PasswordFile == "" || m.Username != "", "mqtt.username", "is empty, but there is a password; MQTT 3.1.1 sends none without a user name")
	v.readable("mqtt.password_file", m.PasswordFile)

	v.duration("mqtt.keepalive", m.Keepalive, 2*time.Second, 18*time.Hour)
	v.duration("mqtt.ping_timeout", m.PingTimeout, time.Second, time.Hour)
	v.duration("mqtt.timeout", m.Timeout, 100*time.Millisecond, 10*time.Minute)
	v.duration("mqtt.reconnect_min", m.ReconnectMin, 10*time.Millisecond, time.Hour)
	v.duration("mqtt.reconnect_max", m.ReconnectMax, m.ReconnectMin, 24*time.Hour)
	v.duration("mqtt.predictions", m.Predictions, 0, 24*time.Hour)
	v.duration("mqtt.status", m.Status, time.Second, 24*time.Hour)
	v.within("mqtt.outbox.messages", m.Outbox.Messages, 1, 1_000_000)
	v.check(m.Outbox.Bytes >= 64<<10 && m.Outbox.Bytes <= 1<<30, "mqtt.outbox.bytes", "is %v; want 64KiB to 1GiB", m.Outbox.Bytes)

	v.check((m.TLS.CertFile == "") == (m.TLS.KeyFile == ""), "mqtt.tls.cert_file", "and mqtt.tls.key_file belong together; set both or none")
	for _, f := range []struct{ key, path string }{
		{"mqtt.tls.ca_file", m.TLS.CAFile}, {"mqtt.tls.cert_file", m.TLS.CertFile}, {"mqtt.tls.key_file", m.TLS.KeyFile},
	} {
		v.check(secure || m.URL == "" || f.path == "", f.key, "is set, but mqtt.url does not use TLS; want mqtts://")
		v.readable(f.key, f.path)
	}
}

// broker checks the URL and reports whether it means TLS. The URL is not
// repeated in an error when it may hold a password.
func (v validator) broker(raw string) (secure bool) {
	const want = "; want mqtt://HOST:PORT or mqtts://HOST:PORT"
	u, err := url.Parse(raw)
	switch {
	case strings.Contains(raw, "@"):
		v.check(false, "mqtt.url", "has a user name or password in it; use mqtt.username and mqtt.password_file")
		return false
	case err != nil || u.Host == "" || u.Hostname() == "":
		v.check(false, "mqtt.url", "is %q%s", raw, want)
		return false
	}
	secure, known := BrokerSchemes[u.Scheme]
	v.check(known, "mqtt.url", "is %q: scheme %q is not known%s", raw, u.Scheme, want)
	if p := u.Port(); p != "" {
		n, err := strconv.Atoi(p)
		v.check(err == nil && n > 0 && n < 1<<16, "mqtt.url", "is %q: port %q is out of range%s", raw, p, want)
	}
	v.check((u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == "", "mqtt.url", "is %q: nothing may follow the port%s", raw, want)
	return secure
}

func (v validator) readable(key, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		v.check(false, key, "is %s, which cannot be read: %s", path, plain(err))
		return
	}
	f.Close()
}

func (v validator) http(h *HTTP) {
	if h.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(h.Listen)
	if err == nil {
		var n int
		if n, err = strconv.Atoi(port); err == nil && (n < 0 || n >= 1<<16) {
			err = fmt.Errorf("port out of range")
		}
	}
	v.check(err == nil, "http.listen", "is %q; want ADDRESS:PORT, such as 127.0.0.1:8780", h.Listen)
	if err == nil && host != "localhost" && net.ParseIP(host) == nil && host != "" {
		v.check(false, "http.listen", "is %q; want an IP address, localhost, or nothing before the port for every address", h.Listen)
	}
}
