package pipeline

import (
	"time"

	"vitedge/vitlite"
)

// Unknown is the label of a prediction whose best score is below the
// threshold. Its index is -1.
const Unknown = "unknown"

// Rule says when a label becomes stable. See Decider.
type Rule struct {
	Votes     int           // N: so many
	Window    int           // M: of so many last predictions, N > M/2
	Hold      time.Duration // least time between two changes
	Heartbeat time.Duration // most time between two announcements
}

// Decider turns predictions that flicker into a label that does not: a label
// becomes the stable one when N of the last M predictions agree on it, and
// stays for the hold time at least. N > M/2 makes the winner unique. A
// prediction below the threshold votes for Unknown.
type Decider struct {
	rule  Rule
	votes []vitlite.Prediction // the last Window, oldest first

	stable    vitlite.Prediction // with the score of the last prediction that agreed
	decided   bool               // there is a stable label
	changed   time.Time          // when it became stable
	announced time.Time
}

// NewDecider makes one that has seen nothing.
func NewDecider(r Rule) *Decider { return &Decider{rule: r} }

// Decision is what a prediction led to.
type Decision struct {
	Stable   vitlite.Prediction
	Decided  bool   // there is a stable label
	First    bool   // it is the first one
	Changed  bool   // it is another one than before, From
	From     string // the label before; empty unless Changed
	Announce bool   // First, Changed, or the heartbeat is due
}

// Vote is the prediction as it counts: Unknown below the threshold.
func Vote(best vitlite.Prediction, threshold float64) vitlite.Prediction {
	if float64(best.Score) < threshold {
		return vitlite.Prediction{Index: -1, Label: Unknown, Score: best.Score}
	}
	return best
}

// Add counts a vote that was cast at now.
func (d *Decider) Add(now time.Time, vote vitlite.Prediction) Decision {
	if len(d.votes) == d.rule.Window {
		d.votes = append(d.votes[:0], d.votes[1:]...)
	}
	d.votes = append(d.votes, vote)

	var out Decision
	if winner, ok := d.winner(); ok && (!d.decided || winner.Index != d.stable.Index && now.Sub(d.changed) >= d.rule.Hold) {
		out.First, out.Changed = !d.decided, d.decided
		if d.decided {
			out.From = d.stable.Label
		}
		d.stable, d.decided, d.changed = winner, true, now
	}
	if d.decided && vote.Index == d.stable.Index {
		d.stable.Score = vote.Score
	}
	if d.decided && (out.First || out.Changed || now.Sub(d.announced) >= d.rule.Heartbeat) {
		out.Announce, d.announced = true, now
	}
	out.Stable, out.Decided = d.stable, d.decided
	return out
}

// winner is the label that has enough votes, as it was predicted last.
func (d *Decider) winner() (vitlite.Prediction, bool) {
	for i := len(d.votes) - 1; i >= 0; i-- {
		n := 0
		for _, v := range d.votes {
			if v.Index == d.votes[i].Index {
				n++
			}
		}
		if n >= d.rule.Votes {
			return d.votes[i], true
		}
	}
	return vitlite.Prediction{}, false
}

// SetRule takes a new rule and keeps the stable label.
func (d *Decider) SetRule(r Rule) {
	d.rule = r
	if extra := len(d.votes) - r.Window; extra > 0 {
		d.votes = append(d.votes[:0], d.votes[extra:]...)
	}
}
