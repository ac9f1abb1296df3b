package pipeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/vitlite"
)

var rule = Rule{Votes: 3, Window: 5, Hold: 2 * time.Second, Heartbeat: time.Minute}

// clock gives votes their times.
type clock struct {
	now time.Time
	d   *Decider
}

func newClock(r Rule) *clock {
	return &clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), d: NewDecider(r)}
}

var indexes = map[string]int{"a": 0, "b": 1, "c": 2, Unknown: -1}

// vote casts one vote, step after the last.
func (c *clock) vote(label string, step time.Duration) Decision {
	c.now = c.now.Add(step)
	return c.d.Add(c.now, vitlite.Prediction{Index: indexes[label], Label: label, Score: 0.9})
}

// changes casts one vote a second for each letter and lists what was announced.
func changes(r Rule, votes string) []string {
	c := newClock(r)
	var got []string
	for _, v := range votes {
		label := string(v)
		if v == '?' {
			label = Unknown
		}
		switch d := c.vote(label, time.Second); {
		case d.First:
			got = append(got, d.Stable.Label)
		case d.Changed:
			got = append(got, d.From+">"+d.Stable.Label)
		}
	}
	return got
}

func TestStability(t *testing.T) {
	for _, c := range []struct {
		votes string
		want  []string
	}{
		{"aa", nil},
		{"aaa", []string{"a"}},
		{"ababa", []string{"a"}},
		{"aaabab", []string{"a"}},
		{"aaabbb", []string{"a", "a>b"}},
		{"aaabcbcb", []string{"a", "a>b"}},
		{"abcabcabc", nil},
		{"aaa???", []string{"a", "a>unknown"}},
		{"???", []string{"unknown"}},
	} {
		require.Equal(t, c.want, changes(rule, c.votes), c.votes)
	}
	require.Equal(t, []string{"a", "a>b", "b>a"}, changes(Rule{Votes: 1, Window: 1, Heartbeat: time.Hour}, "aba"), "1 of 1 follows every prediction")
}

func TestHold(t *testing.T) {
	c := newClock(Rule{Votes: 1, Window: 1, Hold: 10 * time.Second, Heartbeat: time.Hour})
	require.True(t, c.vote("a", 0).First)
	require.False(t, c.vote("b", 9*time.Second).Changed)
	d := c.vote("b", time.Second)
	require.True(t, d.Changed)
	require.Equal(t, "a", d.From)
	require.False(t, c.vote("a", 9*time.Second).Changed, "the hold time starts anew")
}

func TestHeartbeat(t *testing.T) {
	c := newClock(Rule{Votes: 1, Window: 1, Heartbeat: time.Minute})
	require.True(t, c.vote("a", 0).Announce)
	require.False(t, c.vote("a", 59*time.Second).Announce)
	d := c.vote("a", time.Second)
	require.True(t, d.Announce)
	require.False(t, d.Changed || d.First)
	require.True(t, c.vote("b", 30*time.Second).Announce, "a change does not wait")
	require.False(t, c.vote("b", 59*time.Second).Announce, "and restarts the heartbeat")
}

func TestStableScoreIsTheLastThatAgreed(t *testing.T) {
	c := newClock(rule)
	for range 3 {
		c.vote("a", time.Second)
	}
	c.d.Add(c.now, vitlite.Prediction{Index: 0, Label: "a", Score: 0.7})
	d := c.d.Add(c.now, vitlite.Prediction{Index: 1, Label: "b", Score: 0.99})
	require.Equal(t, vitlite.Prediction{Index: 0, Label: "a", Score: 0.7}, d.Stable)
}

func TestVote(t *testing.T) {
	p := vitlite.Prediction{Index: 4, Label: "cat", Score: 0.5}
	require.Equal(t, p, Vote(p, 0.5))
	require.Equal(t, vitlite.Prediction{Index: -1, Label: Unknown, Score: 0.5}, Vote(p, 0.51))
}

func TestSetRule(t *testing.T) {
	c := newClock(rule)
	for range 5 {
		c.vote("a", time.Second)
	}
	c.d.SetRule(Rule{Votes: 2, Window: 3, Heartbeat: time.Hour})
	c.vote("b", time.Second)
	d := c.vote("b", time.Second)
	require.True(t, d.Changed)
	require.Equal(t, "a", d.From)
}
