package outbox

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var quiet = slog.New(slog.DiscardHandler)

// open makes a queue on the journal at path.
func open(t testing.TB, path string, maxMessages, maxBytes int) (*Queue, *Journal) {
	t.Helper()
	q := New(maxMessages, maxBytes)
	j, err := OpenJournal(q, path, quiet)
	require.NoError(t, err)
	return q, j
}

// crash forgets the journal as kill -9 would.
func crash(j *Journal) { j.file.Close() }

func TestJournalSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox")
	q, j := open(t, path, 100, 1<<20)
	for i := range 10 {
		q.Push(message(i))
	}
	for range 3 {
		m, _ := q.Front()
		q.Ack(m)
	}
	q.Front() // in flight: nobody knows whether the broker has it
	crash(j)

	q, j = open(t, path, 100, 1<<20)
	require.Equal(t, 7, q.Stats().Len)
	<-q.Ready()
	q.Push(Message{Topic: "state", Payload: []byte("retained"), Retain: true})
	crash(j)

	q, j = open(t, path, 100, 1<<20)
	for range 7 {
		m, _ := q.Front()
		require.False(t, m.Retain)
		q.Ack(m)
	}
	m, ok := q.Front()
	require.True(t, ok)
	require.Equal(t, "state", m.Topic)
	require.True(t, m.Retain)
	q.Ack(m)
	crash(j)

	q, j = open(t, path, 100, 1<<20)
	require.Zero(t, q.Stats().Len)
	crash(j)
}

// TestJournalCutAnywhere cuts the file at every length: what is restored is
// always a whole prefix of the history.
func TestJournalCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "outbox")
	q, j := open(t, path, 100, 1<<20)
	for i := range 5 {
		q.Push(message(i))
	}
	m, _ := q.Front()
	q.Ack(m)
	crash(j)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for n := range len(whole) {
		messages, _, err := parse(whole[:n])
		if n > 0 && n < len(magic) {
			require.ErrorIs(t, err, errNotJournal)
			continue
		}
		require.NoError(t, err)
		for i, m := range messages {
			require.Equal(t, fmt.Sprint(i), string(m.Payload), "cut at %d", n)
		}
	}
}

// TestJournalFlippedBits flips each bit of a record: the record and those
// behind it are not believed, and nothing else is lost.
func TestJournalFlippedBits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox")
	q, j := open(t, path, 100, 1<<20)
	q.Push(message(0))
	start := int(j.size)
	q.Push(message(1))
	crash(j)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for bit := start * 8; bit < len(whole)*8; bit++ {
		damaged := bytes.Clone(whole)
		damaged[bit/8] ^= 1 << (bit % 8)
		messages, _, err := parse(damaged)
		require.NoError(t, err)
		require.Len(t, messages, 1, "bit %d", bit)
		require.Equal(t, "0", string(messages[0].Payload))
	}
}

func TestNotAJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox")
	require.NoError(t, os.WriteFile(path, []byte("my precious notes"), 0o600))
	q, j := open(t, path, 100, 1<<20)
	require.Zero(t, q.Stats().Len)
	crash(j)
	kept, err := os.ReadFile(path + ".bad")
	require.NoError(t, err)
	require.Equal(t, "my precious notes", string(kept))
}

// TestJournalShrinks sends many times what the file may hold.
func TestJournalShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox")
	const maxBytes = 64 << 10
	q, j := open(t, path, 100, maxBytes)
	payload := make([]byte, 4000)
	largest := int64(0)
	for range 500 {
		q.Push(Message{Topic: "t", Payload: payload})
		m, _ := q.Front()
		q.Ack(m)
		info, err := os.Stat(path)
		require.NoError(t, err)
		largest = max(largest, info.Size())
	}
	require.Less(t, largest, int64(5*maxBytes+64<<10))
	q.Push(message(7))
	crash(j)
	q, j = open(t, path, 100, maxBytes)
	require.Equal(t, []string{"7"}, drain(q))
	crash(j)
}

// TestRemovalShrinks lets the removal of a message be what has the file written
// anew: the message is not in it.
func TestRemovalShrinks(t *testing.T) {
	const maxBytes = 64 << 10
	for name, remove := range map[string]func(*Queue){
		"acknowledged": func(q *Queue) { m, _ := q.Front(); q.Ack(m) },
		"made room":    func(q *Queue) { q.dropOldest() },
		"made room beside the one in flight": func(q *Queue) {
			q.Front()
			q.dropOldest()
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "outbox")
			q, j := open(t, path, 100, maxBytes)
			for i := range 3 {
				q.Push(message(i))
			}
			j.size = 4*maxBytes + 64<<10 // any record is too much now
			remove(q)
			crash(j)
			kept := q.Stats().Len
			require.Equal(t, 2, kept)
			want := drain(q)
			q, j = open(t, path, 100, maxBytes)
			require.Equal(t, want, drain(q))
			crash(j)
		})
	}
}

// TestCutWhileShrinking leaves what a power cut leaves of a file that was being
// written anew.
func TestCutWhileShrinking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox")
	require.NoError(t, os.WriteFile(path+".123.tmp", []byte(magic), 0o600))
	_, j := open(t, path, 100, 1<<20)
	crash(j)
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Equal(t, []string{path}, files)
}

// TestRestoreIsBounded opens a journal with a smaller queue than wrote it.
func TestRestoreIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox")
	q, j := open(t, path, 100, 1<<20)
	for i := range 10 {
		q.Push(message(i))
	}
	crash(j)
	q, j = open(t, path, 3, 1<<20)
	require.Equal(t, Stats{Accepted: 10, Dropped: 7, Len: 3, Bytes: q.Stats().Bytes}, q.Stats())
	require.Equal(t, []string{"7", "8", "9"}, drain(q))
	crash(j)
}

// TestUnwritableFolder: what waits is in memory until the folder can be written.
func TestUnwritableFolder(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "not yet a folder")
	require.NoError(t, os.WriteFile(parent, nil, 0o600))
	path := filepath.Join(parent, "state", "outbox")
	_, err := OpenJournal(New(10, 1<<20), path, quiet)
	require.Error(t, err, "nobody knows what is there")

	require.NoError(t, os.Remove(parent))
	require.NoError(t, os.Symlink("/proc/nothing", parent))
	q, j := open(t, path, 10, 1<<20)
	q.Push(message(0))
	j.tick()
	require.True(t, j.Failing())
	require.NoError(t, os.Remove(parent))
	j.tick()
	require.True(t, j.Failing(), "it is not tried all the time")
	j.retry = time.Time{}
	j.tick()
	require.False(t, j.Failing())
	q.Push(message(1))
	crash(j)
	q, j = open(t, path, 10, 1<<20)
	require.Equal(t, []string{"0", "1"}, drain(q))
	crash(j)
}

// TestPausesGrow guards that a full disk is not written to all the time.
func TestPausesGrow(t *testing.T) {
	_, j := open(t, "/proc/nothing/outbox", 10, 1<<20)
	var pauses []time.Duration
	for range 8 {
		pauses = append(pauses, j.pause)
		j.retry = time.Time{}
		j.tick()
	}
	require.Equal(t, []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 60e9, 60e9}, pauses)
}

// TestKilledAnywhere kills a process with SIGKILL while it pushes and
// acknowledges, again and again on one file: whatever Push has returned for is
// there, but what was acknowledged, in order.
func TestKilledAnywhere(t *testing.T) {
	if path := os.Getenv("OUTBOX_KILLED"); path != "" {
		q, _ := open(t, path, 1000, 64<<10)
		for i := q.next; ; i++ {
			q.Push(Message{Topic: "t", Payload: fmt.Appendf(nil, "%d", i)})
			fmt.Printf("pushed %d\n", i)
			if i%3 == 0 {
				m, _ := q.Front()
				q.Ack(m)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "outbox")
	total := 0
	for range 20 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledAnywhere$")
		cmd.Env = append(os.Environ(), "OUTBOX_KILLED="+path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		last, enough := 0, 1+rand.IntN(2000)
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			_, err := fmt.Sscanf(lines.Text(), "pushed %d", &last)
			require.NoError(t, err, lines.Text())
			if n == enough {
				cmd.Process.Kill() // the lines in the pipe still count
			}
		}
		cmd.Wait()

		q, j := open(t, path, 1000, 64<<10)
		got := make([]int, 0, 1000)
		for i := range q.n {
			n, err := strconv.Atoi(string(q.at(i).Payload))
			require.NoError(t, err)
			got = append(got, n)
		}
		crash(j)
		require.NotEmpty(t, got)
		for i, n := range got {
			require.Equal(t, got[0]+i, n, "one after the other")
		}
		require.GreaterOrEqual(t, got[len(got)-1], last, "what was pushed is there")
		require.LessOrEqual(t, got[len(got)-1], last+1)
		total = last
	}
	t.Logf("%d messages in 20 processes", total)
}

// TestFullDisk limits the size of files that this process may write, which
// fails a write in the middle as a full disk does. It runs in a process of its
// own.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv("OUTBOX_FULL_DISK"); dir != "" {
		fillDisk(t, filepath.Join(dir, "outbox"))
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "OUTBOX_FULL_DISK="+dir)
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	require.Contains(t, string(output), "--- PASS: TestFullDisk")

	// What had been written before is whole.
	q, j := open(t, filepath.Join(dir, "outbox"), 1000, 1<<20)
	got := drain(q)
	require.NotEmpty(t, got)
	for i, payload := range got {
		require.True(t, strings.HasPrefix(payload, fmt.Sprintf("%d ", i)), payload)
	}
	crash(j)
}

func fillDisk(t *testing.T, path string) {
	var log strings.Builder
	q := New(1000, 1<<20)
	j, err := OpenJournal(q, path, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	limit := func(n uint64) {
		var old syscall.Rlimit
		require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}))
	}
	limit(20_000)
	for i := range 100 {
		q.Push(Message{Topic: "t", Payload: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 500))})
	}
	require.True(t, j.Failing())
	require.Equal(t, 1, strings.Count(log.String(), "cannot be kept on disk"), log.String())
	require.Equal(t, 100, q.Stats().Len, "nothing is lost in memory")
	j.retry = time.Time{}
	j.tick()
	require.True(t, j.Failing(), "still no room")

	limit(1 << 30)
	j.retry = time.Time{}
	j.tick()
	require.False(t, j.Failing())
	require.Contains(t, log.String(), "on disk again")
	q.Push(Message{Topic: "t", Payload: []byte("100 after")})
	crash(j)
	again, j := open(t, path, 1000, 1<<20)
	require.Equal(t, 101, again.Stats().Len)
	crash(j)
	// Leave the half-written state for the parent: the disk fills up again.
	require.NoError(t, os.Remove(path))
	q, j = open(t, path, 1000, 1<<20)
	limit(20_000)
	for i := range 100 {
		q.Push(Message{Topic: "t", Payload: fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", 500))})
	}
	crash(j)
}

func TestRunSyncsAndCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "outbox")
	q, j := open(t, path, 10, 1<<20)
	q.Push(message(1))
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		j.Run(done)
	}()
	close(done)
	<-ended
	require.Error(t, j.file.Sync(), "the file is closed")
	q.Push(message(2)) // after the end nothing is written, and nothing breaks
	q, j = open(t, path, 10, 1<<20)
	require.Equal(t, []string{"1"}, drain(q))
	crash(j)
}

// TestRoomAtTheEnd: a file that could not be written, and is not to be tried again
// for a while, is tried when Run ends.
func TestRoomAtTheEnd(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.Symlink("/proc/nothing", parent))
	path := filepath.Join(parent, "outbox")
	q, j := open(t, path, 10, 1<<20)
	q.Push(message(1))
	j.retry = time.Now().Add(time.Hour)
	require.NoError(t, os.Remove(parent))
	done := make(chan struct{})
	close(done)
	j.Run(done)
	q, j = open(t, path, 10, 1<<20)
	require.Equal(t, []string{"1"}, drain(q))
	crash(j)
}

// TestNilJournal is what a queue has that keeps nothing.
func TestNilJournal(t *testing.T) {
	var j *Journal
	require.False(t, j.Failing())
	j.pushed(Message{})
	j.removed(1)
}

// BenchmarkPush is what an event costs the pipeline with a journal.
func BenchmarkPush(b *testing.B) {
	q, j := open(b, filepath.Join(b.TempDir(), "outbox"), 1000, 1<<20)
	defer crash(j)
	payload := make([]byte, 300)
	for b.Loop() {
		q.Push(Message{Topic: "vitedge/pi/cam/event", Payload: payload})
	}
}

func FuzzRestore(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "seed")
	q := New(10, 1<<20)
	j, err := OpenJournal(q, path, quiet)
	require.NoError(f, err)
	q.Push(message(1))
	q.Push(Message{Topic: "b", Retain: true})
	m, _ := q.Front()
	q.Ack(m)
	crash(j)
	seed, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(seed)
	f.Add([]byte(magic))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		messages, next, err := parse(data)
		if err != nil {
			require.ErrorIs(t, err, errNotJournal)
			return
		}
		again := []byte(magic)
		for _, m := range messages {
			require.Less(t, m.id, next)
			again = appendPush(again, m)
		}
		same, _, err := parse(again)
		require.NoError(t, err)
		require.Equal(t, len(messages), len(same))
		for i := range same {
			require.Equal(t, messages[i].Topic, same[i].Topic)
			require.True(t, bytes.Equal(messages[i].Payload, same[i].Payload))
			require.Equal(t, messages[i].Retain, same[i].Retain)
		}
	})
}
