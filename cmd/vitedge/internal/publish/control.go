package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
)

// MaxPayload bounds every inbound payload in bytes.
const MaxPayload = 4 << 10

// Names of the commands.
const (
	CommandClassify    = "classify"     // classify a frame now
	CommandSnapshot    = "snapshot"     // publish a frame as image now
	CommandRebirth     = "rebirth"      // publish everything retained again
	CommandReload      = "reload"       // read the configuration again
	CommandRestart     = "restart"      // end and start anew
	CommandUpdateModel = "update_model" // take the model file that waits
)

// Command is the payload of a command; an empty one is {}.
type Command struct {
	ID     string `json:"id"`     // comes back in the result
	Source string `json:"source"` // camera of classify and snapshot; empty: all
}

// CommandResult answers a command. A set topic that could not be obeyed is
// answered too, with its topic below the base as Cmd.
type CommandResult struct {
	ID     string `json:"id"`
	Cmd    string `json:"cmd"`
	OK     bool   `json:"ok"`
	Error  string `json:"error"`            // empty if ok
	Detail string `json:"detail,omitempty"` // what there is to say beside
}

// Inbound is a message from the broker.
type Inbound struct {
	Topic    string
	Payload  []byte
	Retained bool
}

// Actions are what commands do. Those of a camera get its name.
type Actions struct {
	Classify    func(ctx context.Context, src string) error
	Snapshot    func(ctx context.Context, src string) error
	Reload      func(ctx context.Context) (detail string, err error)
	Restart     func() // returns at once
	UpdateModel func(ctx context.Context) error
	Settings    func(src string) pipeline.Settings
	Override    func(src string) // takes what the Store has of it
}

// ControlOptions make a Control.
type ControlOptions struct {
	Topics        Topics
	Sources       []string
	Link          Link
	Actions       Actions
	Store         *Store
	BirthTopic    string        // where Home Assistant says "online"; empty: nowhere
	BirthDelay    time.Duration // longest pause before the answer, spread over devices
	ActionTimeout time.Duration
	Log           *slog.Logger
}

// Control obeys what comes in: commands and settings. Whatever is sent, it
// costs a bounded amount of memory and time: payloads are cut at MaxPayload,
// few wait, and few are obeyed a second.
type Control struct {
	o       ControlOptions
	inbox   chan Inbound
	rate    bucket
	dropped atomic.Uint64

	publishing sync.Mutex // of settings

	mu      sync.Mutex
	ignored []string // topics whose retained messages were logged
}

const (
	inboxSize  = 16 // messages that wait while one is obeyed
	maxIgnored = 32 // topics in Control.ignored
)

// NewControl makes one and publishes the settings as they are.
func NewControl(o ControlOptions) *Control {
	c := &Control{o: o, inbox: make(chan Inbound, inboxSize), rate: bucket{burst: 20, perSecond: 5}}
	for _, src := range o.Sources {
		c.publishSettings(src)
	}
	return c
}

// Filters are the subscriptions that a Control of these sources needs. Without
// sources nothing but the birth topic is obeyed.
func Filters(topics Topics, sources []string, birthTopic string) []string {
	var filters []string
	if len(sources) > 0 {
		filters = append(filters, topics.Command("+"))
	}
	for _, src := range sources {
		filters = append(filters, topics.Set(src, "+"))
	}
	if birthTopic != "" {
		filters = append(filters, birthTopic)
	}
	return filters
}

// Handle takes a message and does not block. What does not fit, or was never
// subscribed, is dropped and counted.
func (c *Control) Handle(m Inbound) {
	switch {
	case c.o.BirthTopic != "" && m.Topic == c.o.BirthTopic:
	case m.Topic == c.o.Topics.Result(): // our own, by the filter cmd/+
		return
	case !strings.HasPrefix(m.Topic, c.o.Topics.Base+"/"):
		c.dropped.Add(1)
		return
	case m.Retained:
		// It was given before the daemon came, to whoever was there then.
		c.dropped.Add(1)
		c.ignore(m.Topic)
		return
	case !c.rate.take(time.Now()):
		c.dropped.Add(1)
		return
	}
	select {
	case c.inbox <- m:
	default:
		c.dropped.Add(1)
	}
}

// ignore logs a topic with a retained message, once. Those that anybody could
// make up are too many to remember.
func (c *Control) ignore(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ignored) == maxIgnored || slices.Contains(c.ignored, topic) {
		return
	}
	c.ignored = append(c.ignored, topic)
	c.o.Log.Warn("ignored a retained message; commands and settings must not be retained", "topic", shorten(topic))
}

// Dropped counts the messages that were not obeyed for their number or for
// being retained.
func (c *Control) Dropped() uint64 { return c.dropped.Load() }

// Run obeys until ctx ends. What waits then is not obeyed any more, but for
// settings, and answered.
func (c *Control) Run(ctx context.Context) error {
	var birth <-chan time.Time
	for {
		select {
		case m := <-c.inbox:
			if c.take(ctx, m) {
				birth = time.After(rand.N(c.o.BirthDelay + 1))
			}
		case <-birth:
			birth = nil
			c.o.Link.Refresh()
		case <-ctx.Done():
			for {
				select {
				case m := <-c.inbox:
					c.take(ctx, m)
				default:
					return nil
				}
			}
		}
	}
}

// take obeys a message and reports whether it says that Home Assistant has
// started. A retained one is from before this connection, after which
// everything has been published anyway.
func (c *Control) take(ctx context.Context, m Inbound) (birth bool) {
	if m.Topic == c.o.BirthTopic {
		return !m.Retained && string(m.Payload) == online
	}
	c.obey(ctx, m)
	return false
}

// obey does what one message wants and answers.
func (c *Control) obey(ctx context.Context, m Inbound) {
	name, _ := strings.CutPrefix(m.Topic, c.o.Topics.Base+"/")
	levels := strings.Split(name, "/")
	switch {
	case len(levels) == 2 && levels[0] == "cmd":
		r := c.command(ctx, levels[1], m.Payload)
		c.answer(r)
	case len(levels) == 3 && levels[2] == "set" && slices.Contains(c.o.Sources, levels[0]) && isSetting(levels[1]):
		if err := c.set(levels[0], levels[1], m.Payload); err != nil {
			c.answer(CommandResult{Cmd: name, Error: err.Error()})
		}
	case len(levels) == 3 && levels[2] == "set":
		c.answer(CommandResult{Cmd: shorten(name), Error: "there is no such setting"})
	default:
		c.dropped.Add(1)
	}
}

func (c *Control) answer(r CommandResult) {
	r.OK = r.Error == ""
	if r.OK {
		c.o.Log.Info("obeyed a command", "cmd", r.Cmd, "id", r.ID, "detail", r.Detail)
	} else {
		c.o.Log.Warn("refused a command", "cmd", r.Cmd, "id", r.ID, "err", r.Error)
	}
	c.o.Link.Send(outbox.Message{Topic: c.o.Topics.Result(), Payload: encode(r)})
}

// parseCommand reads a payload strictly: one object with texts in it, each
// under the exact name of a field, and none twice. (json.Unmarshal takes names
// in any case, the last of several, and null for everything.)
func parseCommand(payload []byte) (Command, error) {
	var cmd Command
	if len(payload) > MaxPayload {
		return cmd, fmt.Errorf("the payload has more than %d bytes", MaxPayload)
	}
	if len(bytes.TrimSpace(payload)) == 0 {
		return cmd, nil
	}
	if !utf8.Valid(payload) {
		return cmd, errors.New("the payload is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	if err := cmd.decode(d); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Command{}, fmt.Errorf("the payload is not a command: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Command{}, errors.New("the payload is not a command: something follows the object")
	}
	if len(cmd.ID) > 64 {
		return Command{}, errors.New("the id has more than 64 bytes")
	}
	return cmd, nil
}

// decode reads one object.
func (cmd *Command) decode(d *json.Decoder) error {
	if start, err := d.Token(); err != nil {
		return err
	} else if start != json.Delim('{') {
		return errors.New(`want an object, such as {"id":"1"}`)
	}
	fields := map[string]*string{"id": &cmd.ID, "source": &cmd.Source}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name := key.(string) // of an object, as the decoder has it
		value, err := d.Token()
		if err != nil {
			return err
		}
		text, isText := value.(string)
		field, known := fields[name]
		switch {
		case !known:
			return fmt.Errorf("there is no field %q", shorten(name))
		case field == nil:
			return fmt.Errorf("the field %q is there twice", name)
		case !isText:
			return fmt.Errorf("the field %q is no text", name)
		}
		*field = text
		fields[name] = nil
	}
	_, err := d.Token() // the end of the object
	return err
}

var errEnding = errors.New("the device is ending or starting anew; send it again")

// command does what a command says, unless ctx has ended.
func (c *Control) command(ctx context.Context, name string, payload []byte) (r CommandResult) {
	r.Cmd = shorten(name)
	fail := func(err error) CommandResult {
		r.Error = err.Error()
		return r
	}
	cmd, err := parseCommand(payload)
	if err != nil {
		return fail(err)
	}
	r.ID = cmd.ID
	if cmd.Source != "" && !slices.Contains(c.o.Sources, cmd.Source) {
		return fail(fmt.Errorf("there is no camera %q", shorten(cmd.Source)))
	}
	if ctx.Err() != nil {
		return fail(errEnding)
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.ActionTimeout)
	defer cancel()
	switch name {
	case CommandClassify:
		err = c.each(ctx, cmd.Source, c.o.Actions.Classify)
	case CommandSnapshot:
		err = c.each(ctx, cmd.Source, c.o.Actions.Snapshot)
	case CommandRebirth:
		c.o.Link.Refresh()
	case CommandReload:
		r.Detail, err = c.o.Actions.Reload(ctx)
	case CommandRestart:
		c.o.Actions.Restart()
	case CommandUpdateModel:
		err = c.o.Actions.UpdateModel(ctx)
	default:
		err = errors.New("there is no such command")
	}
	if errors.Is(err, context.Canceled) { // ctx has ended meanwhile
		err = errEnding
	}
	if err != nil {
		return fail(err)
	}
	return r
}

// each does f for one camera, or for all where none is named.
func (c *Control) each(ctx context.Context, src string, f func(context.Context, string) error) error {
	if src != "" {
		return f(ctx, src)
	}
	var errs []error
	for _, src := range c.o.Sources {
		errs = append(errs, f(ctx, src))
	}
	return errors.Join(errs...)
}

// set changes a setting. Its state is published in any case: whoever set it
// shows something else until then.
func (c *Control) set(src, name string, payload []byte) error {
	defer c.publishSettings(src)
	if len(payload) > MaxPayload {
		return fmt.Errorf("the payload has more than %d bytes", MaxPayload)
	}
	o := c.o.Store.Get(src)
	if err := o.set(name, string(payload)); err != nil {
		return err
	}
	err := c.o.Store.Put(src, o) // it holds now, written or not
	c.o.Actions.Override(src)
	return err
}

// publishSettings publishes those of a camera. Of two at once the last has what is
// in force.
func (c *Control) publishSettings(src string) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	s := c.o.Actions.Settings(src)
	for _, name := range settingNames {
		c.o.Link.Retain(c.o.Topics.Setting(src, name), []byte(settingValue(name, s)))
	}
}

// PublishSettings publishes the settings of all cameras.
func (c *Control) PublishSettings() {
	for _, src := range c.o.Sources {
		c.publishSettings(src)
	}
}

// bucket is a token bucket: burst at once, perSecond in the long run.
type bucket struct {
	burst, perSecond float64

	mu   sync.Mutex
	used float64
	last time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = max(0, b.used-now.Sub(b.last).Seconds()*b.perSecond)
	b.last = now
	if b.used+1 > b.burst {
		return false
	}
	b.used++
	return true
}
