package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// load writes text as a file and loads it with the environment and settings.
func load(t *testing.T, text string, environ []string, settings ...Setting) (*Config, []string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vitedge.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return Load(Input{Path: path, Environ: environ, Settings: settings})
}

func TestSampleIsTheDefaults(t *testing.T) {
	cfg, warnings, err := Load(Input{Path: "../../vitedge.yaml"})
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, Default(), *cfg)
}

func TestSampleHasEveryKey(t *testing.T) {
	sample, err := os.ReadFile("../../vitedge.yaml")
	require.NoError(t, err)
	// Loading it leaves an origin for each key that it holds.
	l := loader{cfg: Default(), origins: make(map[string]origin)}
	l.file("vitedge.yaml", sample)
	require.Empty(t, l.problems)
	for _, key := range Keys() {
		require.Contains(t, l.origins, key, "the sample file lacks %s", key)
	}
}

func TestMissingDefaultFileIsFine(t *testing.T) {
	if _, err := os.Stat(DefaultPath); err == nil {
		t.Skipf("%s exists", DefaultPath)
	}
	cfg, _, err := Load(Input{})
	require.NoError(t, err)
	require.Equal(t, Default(), *cfg)
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		want []string // problems, in order
	}{
		{"unknown key", "mqtt:\n  ulr: mqtt://h\n", []string{"vitedge.yaml:2: mqtt.ulr is not a key; did you mean mqtt.url?"}},
		{"unknown key, in another section", "keepalive: 3s\n", []string{"vitedge.yaml:1: keepalive is not a key; did you mean mqtt.keepalive?"}},
		{"unknown key, nothing near", "zzzzzzzz: 3s\n", []string{"vitedge.yaml:1: zzzzzzzz is not a key; vitedge check-config --sample lists all"}},
		{"unknown key of a camera", "cameras:\n  door:\n    sorce: auto\n", []string{"vitedge.yaml:3: cameras.door.sorce is not a key; did you mean cameras.door.source?"}},
		{"all at once, by line", "decide:\n  top: many\n  votes: 9\nmqtt:\n  keepalive: soon\n  url: ftp://x\nlog:\n  level: loud\n", []string{
			`vitedge.yaml:2: decide.top is "many"; want a whole number`,
			`vitedge.yaml:3: decide.votes is 9 of decide.window 5; want more than half of it and no more than it, so that one label wins`,
			`vitedge.yaml:5: mqtt.keepalive is "soon"; want a duration such as 500ms, 10s or 5m`,
			`vitedge.yaml:6: mqtt.url is "ftp://x": scheme "ftp" is not known; want mqtt://HOST:PORT or mqtts://HOST:PORT`,
			`vitedge.yaml:8: log.level is "loud"; want one of debug, info, warn, error`,
		}},
		{"twice", "state_dir: /a\nstate_dir: /b\n", []string{"vitedge.yaml:2: state_dir is written twice, first on line 1"}},
		{"a value where keys belong", "mqtt: broker\n", []string{`vitedge.yaml:1: mqtt is "broker"; want keys and values below it`}},
		{"a camera's URL where keys belong", "cameras:\n  door: http://me:hunter2@host/?token=hunter2\n", []string{`vitedge.yaml:2: cameras.door is "http://me:xxxxx@host/?token=xxxxx"; want keys and values below it`}},
		{"a list where a value belongs", "state_dir: [a]\n", []string{"vitedge.yaml:1: state_dir is a list; want one value"}},
		{"not a mapping", "- a\n", []string{"vitedge.yaml:1: the file is a list; want keys and values below it"}},
		{"password in the file", "mqtt:\n  password: hunter2\n", []string{"vitedge.yaml:2: mqtt.password is not a key; put the password into a file of its own and name it with mqtt.password_file"}},
		{"password in the URL", "mqtt:\n  url: mqtt://me:hunter2@host\n", []string{"vitedge.yaml:2: mqtt.url has a user name or password in it; use mqtt.username and mqtt.password_file"}},
		{"wildcard topic", "mqtt:\n  base_topic: a/#\n", []string{`vitedge.yaml:2: mqtt.base_topic is "a/#"; want 1 to 200 bytes without +, #, $ in front, spaces or empty levels`}},
		{"a device id with capitals", "device: {id: Pi}\n", []string{`vitedge.yaml:1: device.id is "Pi"; want 1 to 48 of a-z, 0-9, _ and -, starting with a letter or digit`}},
		{"a camera that is a topic", "cameras:\n  cmd: {}\n", []string{"vitedge.yaml:2: cameras.cmd is a topic of the device; choose another name"}},
		{"one source twice", "cameras:\n  a: {source: /dev/video0}\n  b: {source: /dev/video0}\n", []string{`vitedge.yaml:3: cameras.b.source is "/dev/video0", which camera a has already`}},
		{"no camera", "cameras: {}\n", []string{"vitedge.yaml:1: cameras names none; write one below it, for example cam:"}},
		{"TLS files without TLS", "mqtt:\n  tls:\n    ca_file: /dev/null\n", []string{"vitedge.yaml:3: mqtt.tls.ca_file is set, but mqtt.url does not use TLS; want mqtts://"}},
		{"a certificate without its key", "mqtt:\n  url: mqtts://h\n  tls:\n    cert_file: /dev/null\n", []string{"vitedge.yaml:4: mqtt.tls.cert_file and mqtt.tls.key_file belong together; set both or none"}},
		{"a secret file that is missing", "mqtt:\n  username: me\n  password_file: /nonexistent/pw\n", []string{"vitedge.yaml:3: mqtt.password_file is /nonexistent/pw, which cannot be read: no such file or directory"}},
		{"outbox too small", "mqtt:\n  outbox:\n    bytes: 1KiB\n", []string{"vitedge.yaml:3: mqtt.outbox.bytes is 1KiB; want 64KiB to 1GiB"}},
		{"not a number", "decide:\n  threshold: .nan\n", []string{`vitedge.yaml:2: decide.threshold is ".nan"; want a number`}},
		{"half a size", "cameras: {a: {width: 640}}\n", []string{"vitedge.yaml:1: cameras.a.width is 640 and cameras.a.height is 0; set both or neither"}},
		{"a crop outside", "cameras: {a: {crop: [0.5, 0, 0.6, 1]}}\n", []string{"vitedge.yaml:1: cameras.a.crop is [0.5 0 0.6 1]; want x, y, width and height as fractions inside the frame, or nothing"}},
		{"frames from the future", "cameras: {a: {max_age: -1s}}\n", []string{"vitedge.yaml:1: cameras.a.max_age is -1s; want 0s to 1h"}},
		{"frozen for ever", "cameras: {a: {frozen_after: 25h}}\n", []string{"vitedge.yaml:1: cameras.a.frozen_after is 25h; want 0s to 24h"}},
		{"a dark level of its own", "cameras: {a: {dark_level: 256}}\n", []string{"vitedge.yaml:1: cameras.a.dark_level is 256; want 0 to 255"}},
		{"a crop of words", "cameras: {a: {crop: [left]}}\n", []string{`vitedge.yaml:1: cameras.a.crop has "left" in its list; want numbers`}},
		{"a control without number", "cameras: {a: {controls: {gain: high}}}\n", []string{`vitedge.yaml:1: cameras.a.controls has "gain=high" in its list; want names and whole numbers, such as brightness=10`}},
		{"control character", "mqtt:\n  base_topic: \"a\\tb\"\n", []string{`vitedge.yaml:2: mqtt.base_topic is "a\tb"; want text in UTF-8 without control characters`}},
		{"URL of no camera", "cameras: {a: {source: 'rtsp://me:hunter2@10.0.0.9/x'}}\n", []string{"vitedge.yaml:1: cameras.a.source is a URL of rtsp; want http://… or https://… of MJPEG or JPEG, as go2rtc makes of RTSP"}},
		{"URL of nobody", "cameras: {a: {source: 'http:///x'}}\n", []string{"vitedge.yaml:1: cameras.a.source is no URL with a host; want http://HOST/PATH"}},
		{"two documents", "device: {id: a}\n---\nnonsense: 1\n", []string{"vitedge.yaml:2: another YAML document begins; want one"}},
		{"listen without port", "http:\n  listen: localhost\n", []string{`vitedge.yaml:2: http.listen is "localhost"; want ADDRESS:PORT, such as 127.0.0.1:8780`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := load(t, c.text, nil)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want, strings.Split(err.Error(), "\n"))
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestNotYAML(t *testing.T) {
	_, _, err := load(t, "device:\n\tid: a\n", nil)
	require.ErrorContains(t, err, "vitedge.yaml:2: not valid YAML: found character that cannot start any token")
}

func TestMissingNamedFile(t *testing.T) {
	_, _, err := Load(Input{Path: "/nonexistent/vitedge.yaml"})
	require.ErrorContains(t, err, "/nonexistent/vitedge.yaml: no such file or directory")
	_, _, err = Load(Input{Environ: []string{"VITEDGE_CONFIG=/nonexistent/other.yaml"}})
	require.ErrorContains(t, err, "/nonexistent/other.yaml: no such file or directory")
	var e *Error
	require.ErrorAs(t, err, &e)
}

// TestEnvironmentForEveryKey sets each key through its variable and reads it
// back, so that a key without a working variable fails by name.
func TestEnvironmentForEveryKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	values := map[string]string{
		"device.id": "pi", "state_dir": "/s", "mqtt.url": "mqtts://b:1", "mqtt.username": "u",
		"cameras.cam.format": "mjpeg", "decide.votes": "4", "log.level": "debug", "log.format": "json", "http.listen": "[::1]:1",
		"mqtt.reconnect_min": "20ms", "mqtt.outbox.bytes": "128KiB", "decide.threshold": "0.25", "http.hosts": "a,b",
		"cameras.cam.loop": "false", "cameras.cam.enabled": "false", "mqtt.commands": "false", "home_assistant.discovery": "false",
		"decide.window": "7", "cameras.cam.crop": "0,0.25,0.5,0.5", "cameras.cam.rotate": "90", "cameras.cam.flip": "both",
		"cameras.cam.controls": "brightness=10,contrast=-3",
	}
	var environ []string
	for _, key := range Keys() {
		if _, ok := values[key]; !ok {
			v := value(t, Default(), key)
			switch {
			case strings.HasSuffix(key, "_file"):
				values[key] = file
			case v.Type() == reflect.TypeFor[time.Duration]():
				values[key] = "3s"
			case v.Kind() == reflect.Bool:
				values[key] = "true"
			case v.Kind() == reflect.Int, v.Kind() == reflect.Float64:
				values[key] = "17"
			default:
				values[key] = "text"
			}
		}
		environ = append(environ, EnvName(key)+"="+values[key])
	}
	cfg, warnings, err := load(t, "", environ)
	require.NoError(t, err)
	require.Empty(t, warnings)
	for key, want := range values {
		got := text(value(t, *cfg, key))
		require.Equal(t, want, got, key)
		require.NotEqual(t, text(value(t, Default(), key)), got, "%s: the test must set another value than the default", key)
	}
}

// value finds one key in cfg.
func value(t *testing.T, cfg Config, key string) (found reflect.Value) {
	t.Helper()
	walk(reflect.ValueOf(&cfg).Elem(), "", func(k string, v reflect.Value) {
		if k == key {
			found = v
		}
	})
	require.True(t, found.IsValid(), key)
	return found
}

func TestPrecedence(t *testing.T) {
	text := "decide:\n  top: 4\n"
	cfg, _, err := load(t, text, nil)
	require.NoError(t, err)
	require.Equal(t, 4, cfg.Decide.Top)
	cfg, _, err = load(t, text, []string{"VITEDGE_DECIDE_TOP=5"})
	require.NoError(t, err)
	require.Equal(t, 5, cfg.Decide.Top)
	cfg, _, err = load(t, text, []string{"VITEDGE_DECIDE_TOP=5"}, Setting{"--set", "decide.top", "6"})
	require.NoError(t, err)
	require.Equal(t, 6, cfg.Decide.Top)
}

func TestErrorsNameTheirOrigin(t *testing.T) {
	_, _, err := load(t, "", []string{"VITEDGE_DECIDE_TOP=0"}, Setting{"--broker", "mqtt.url", "http://x"}, Setting{"--set", "mqtt.keep_alive", "3s"})
	require.Equal(t, []string{
		"--set: mqtt.keep_alive is not a key; did you mean mqtt.keepalive?",
		"VITEDGE_DECIDE_TOP: decide.top is 0; want 1 to 20",
		`--broker: mqtt.url is "http://x": scheme "http" is not known; want mqtt://HOST:PORT or mqtts://HOST:PORT`,
	}, strings.Split(err.Error(), "\n"))
}

func TestOnlyCamera(t *testing.T) {
	flag := Setting{"--camera", "cameras.*.source", "file:/p"}
	cfg, _, err := load(t, "", nil, flag)
	require.NoError(t, err)
	require.Equal(t, "file:/p", cfg.Cameras["cam"].Source)
	cfg, _, err = load(t, "cameras: {yard: {}}\n", nil, flag)
	require.NoError(t, err)
	require.Equal(t, "file:/p", cfg.Cameras["yard"].Source)
	_, _, err = load(t, "cameras: {a: {source: x}, b: {source: y}}\n", nil, flag)
	require.EqualError(t, err, "--camera: means one camera, but there are 2: a, b; use --set cameras.NAME.…")
}

func TestUnknownVariableWarns(t *testing.T) {
	_, warnings, err := load(t, "", []string{"VITEDGE_MQTT_ULR=x", "VITEDGE_SERVICE_HOST=10.0.0.1", "VITEDGE_KERNEL=generic", "PATH=/bin"})
	require.NoError(t, err)
	require.Equal(t, []string{
		"environment variable VITEDGE_MQTT_ULR is not a key and was ignored; did you mean VITEDGE_MQTT_URL?",
		"environment variable VITEDGE_SERVICE_HOST is not a key and was ignored",
	}, warnings)
}

func TestCameras(t *testing.T) {
	cfg, _, err := load(t, "cameras:\n  front-door:\n    source: /dev/video0\n  yard:\n    source: file:/p\n    loop: false\n",
		[]string{"VITEDGE_CAMERAS_FRONT_DOOR_FPS=5"})
	require.NoError(t, err)
	require.Equal(t, []string{"front-door", "yard"}, cfg.CameraNames())
	door := defaultCamera()
	door.Source, door.FPS = "/dev/video0", 5
	require.Equal(t, door, cfg.Cameras["front-door"])
	require.False(t, cfg.Cameras["yard"].Loop)
}

func TestSystemdDirectories(t *testing.T) {
	credentials := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(credentials, "mqtt-password"), []byte("hunter2\n"), 0o600))
	environ := []string{"STATE_DIRECTORY=/var/lib/private/vitedge", "CREDENTIALS_DIRECTORY=" + credentials}
	cfg, _, err := load(t, "mqtt:\n  username: me\n", environ)
	require.NoError(t, err)
	require.Equal(t, "/var/lib/private/vitedge", cfg.StateDir)
	password, err := cfg.MQTT.Password()
	require.NoError(t, err)
	require.Equal(t, "hunter2", password)

	cfg, _, err = load(t, "state_dir: /s\nmqtt:\n  username: me\n  password_file: /dev/null\n", environ)
	require.NoError(t, err)
	require.Equal(t, "/s", cfg.StateDir)
	require.Equal(t, "/dev/null", cfg.MQTT.PasswordFile)
}

// TestYAMLReadsBack guards that what check-config prints is the configuration,
// and that no secret is in it.
func TestYAMLReadsBack(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "pw")
	require.NoError(t, os.WriteFile(secret, []byte("hunter2"), 0o600))
	cfg, _, err := load(t, "mqtt:\n  username: me\n  password_file: "+secret+"\n  outbox: {bytes: 200000}\ncameras: {a: {source: 'file:/x y', crop: [0, 0, 0.5, 1], controls: {gain: 3}}, b: {}}\nhttp: {hosts: [a, b]}\n", nil)
	require.NoError(t, err)
	printed, err := cfg.YAML()
	require.NoError(t, err)
	require.NotContains(t, string(printed), "hunter2")
	again, _, err := load(t, string(printed), nil)
	require.NoError(t, err)
	require.Equal(t, cfg, again)
}

// TestRedacted guards that no secret of a camera's URL is shown.
func TestRedacted(t *testing.T) {
	for source, want := range map[string]string{
		"auto": "auto", "/dev/video0": "/dev/video0", "file:/a b?c=d": "file:/a b?c=d", "Camera: 3": "Camera: 3",
		"http://host/stream.mjpg":                 "http://host/stream.mjpg",
		"http://me:hunter2@host:80/x":             "http://me:xxxxx@host:80/x",
		"https://me@host/x":                       "https://me@host/x",
		"http://host/cgi?user=me&pwd=hunter2&raw": "http://host/cgi?user=xxxxx&pwd=xxxxx&raw",
		"rtsp://me:hunter2@host/":                 "rtsp://me:xxxxx@host/",
		"http://me:hunter2@ho st/":                "http://xxxxx",
	} {
		require.Equal(t, want, Redacted(source))
	}
	const source = "http://me:hunter2@host/?token=hunter2"
	cfg, _, err := load(t, "cameras: {a: {source: '"+source+"'}}\n", nil)
	require.NoError(t, err)
	printed, err := cfg.YAML()
	require.NoError(t, err)
	require.NotContains(t, string(printed), "hunter2")
	require.Equal(t, source, cfg.Cameras["a"].Source, "it is still in force")
	// Two cameras that only what is not shown tells apart.
	cfg, _, err = load(t, "cameras: {a: {source: '"+source+"'}, b: {source: '"+source+"2'}}\n", nil)
	require.NoError(t, err)
	printed, err = cfg.YAML()
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(printed), "source: http://me:xxxxx@host/?token=xxxxx\n"), string(printed))
	require.NotContains(t, string(printed), "hunter2")

	_, _, err = load(t, "cameras: {a: {source: '"+source+"'}, b: {source: '"+source+"'}}\n", nil)
	require.ErrorContains(t, err, "which camera a has already")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestDiff(t *testing.T) {
	a, _, err := load(t, "cameras: {a: {}, b: {source: x}}\n", nil)
	require.NoError(t, err)
	require.Empty(t, Diff(a, a))
	b, _, err := load(t, "cameras: {a: {loop: false}}\nlog: {level: debug}\n", nil)
	require.NoError(t, err)
	got := Diff(a, b)
	require.Subset(t, got, []string{"cameras.a.loop", "cameras.b.source", "log.level"})
	require.Equal(t, got, Diff(b, a))
	for _, key := range got {
		require.True(t, strings.HasPrefix(key, "cameras.b.") || key == "cameras.a.loop" || key == "log.level", key)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"65536": 65536, "64KiB": 65536, "1 MiB": 1 << 20, "12B": 12} {
		got, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "-1", "1KB", "4096MiB", "99999999999999999999", "1.5MiB"} {
		_, err := parseSize(text)
		require.Error(t, err, text)
	}
	require.Equal(t, "64KiB", Size(65536).String())
	require.Equal(t, "100000", Size(100000).String())
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"url", "ulr", 1}, {"url", "rl", 1}, {"keep_alive", "keepalive", 1}, {"abc", "xyz", 3}} {
		require.Equal(t, c.want, distance(c.a, c.b), "%q %q", c.a, c.b)
	}
}

func FuzzFile(f *testing.F) {
	sample, err := os.ReadFile("../../vitedge.yaml")
	require.NoError(f, err)
	f.Add(string(sample))
	f.Add("a: &a [*a]\nmqtt: *a\n")
	f.Add("mqtt: {<<: {url: x}}\n")
	f.Add("? {a: b}\n: c\n")
	f.Add("cameras:\n  ? [x]\n  : {}\n")
	f.Fuzz(func(t *testing.T, text string) {
		l := loader{cfg: Default(), origins: make(map[string]origin)}
		l.file("f", []byte(text))
		validate(&l)
		if err := l.problems.err(); err != nil {
			var e *Error
			require.True(t, errors.As(err, &e))
			return
		}
		_, err := l.cfg.YAML()
		require.NoError(t, err)
	})
}
