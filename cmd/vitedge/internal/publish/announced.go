package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"vitedge/cmd/vitedge/internal/wholefile"
)

// Announced is what a device leaves with its broker: the topics on which it
// retains messages, and the components of its description for Home Assistant.
// It is kept in a file, because nobody else remembers what the configuration no
// longer names: a camera that was taken out of it would stay at the broker and
// in Home Assistant for ever.
type Announced struct {
	Topics     []string          `json:"topics"`     // the description's among them
	Discovery  string            `json:"discovery"`  // topic of the description; empty: none
	Components map[string]string `json:"components"` // platforms, by key of the component
}

// Announcement is what a device with these cameras announces. Without a
// discovery nothing is said to Home Assistant.
func Announcement(t Topics, sources []string, image, commands bool, d *Discovery) Announced {
	a := Announced{Topics: []string{t.Availability(), t.Status()}, Components: make(map[string]string)}
	for _, src := range sources {
		a.Topics = append(a.Topics, t.SourceAvailability(src), t.State(src))
		if image {
			a.Topics = append(a.Topics, t.Image(src))
		}
		if commands {
			for _, name := range settingNames {
				a.Topics = append(a.Topics, t.Setting(src, name))
			}
		}
	}
	if d != nil {
		a.Discovery = d.Topic()
		a.Topics = append(a.Topics, a.Discovery)
		for key, c := range d.components() {
			a.Components[key] = c["platform"].(string)
		}
	}
	slices.Sort(a.Topics)
	return a
}

// ReadAnnounced reads the file at path, which may be missing.
func ReadAnnounced(path string) (Announced, error) {
	var a Announced
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return a, nil
	}
	if err == nil && len(data) > maxStore {
		err = fmt.Errorf("more than %d bytes", maxStore)
	}
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err != nil {
		return Announced{}, fmt.Errorf("what was announced, in %s: %w", path, err)
	}
	// No broker has those, and one that gets them closes the connection.
	a.Topics = slices.DeleteFunc(a.Topics, func(topic string) bool { return strings.ContainsFunc(topic, unicode.IsControl) })
	return a, nil
}

// Write replaces the file at path.
func (a Announced) Write(path string) error {
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return wholefile.Write(path, append(data, '\n'))
}

// Equal reports whether a and b are the same.
func (a Announced) Equal(b Announced) bool {
	return a.Discovery == b.Discovery && slices.Equal(a.Topics, b.Topics) && maps.Equal(a.Components, b.Components)
}

// Without is what is in a and not in b. Components are only compared under one
// topic: with the description on another topic they all go.
func (a Announced) Without(b Announced) Announced {
	gone := Announced{Components: make(map[string]string)}
	for _, topic := range a.Topics {
		if !slices.Contains(b.Topics, topic) {
			gone.Topics = append(gone.Topics, topic)
		}
	}
	if a.Discovery != b.Discovery {
		return gone
	}
	for key, platform := range a.Components {
		if b.Components[key] == "" {
			gone.Components[key] = platform
		}
	}
	return gone
}

// With is a and what is gone, for as long as that is not taken back.
func (a Announced) With(gone Announced) Announced {
	all := Announced{Discovery: a.Discovery, Topics: slices.Concat(a.Topics, gone.Topics), Components: maps.Clone(a.Components)}
	slices.Sort(all.Topics)
	all.Topics = slices.Compact(all.Topics)
	maps.Copy(all.Components, gone.Components)
	return all
}

// Empty reports whether there is nothing in a.
func (a Announced) Empty() bool { return len(a.Topics) == 0 && len(a.Components) == 0 }
