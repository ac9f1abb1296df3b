package quant

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// countInflated makes z count the bytes that its entries inflate to.
func countInflated(z *zip.Reader) (n *int) {
	n = new(int)
	z.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser {
		return countingReader{flate.NewReader(r), n}
	})
	return n
}

type countingReader struct {
	io.ReadCloser
	n *int
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	*r.n += n
	return n, err
}

func deflatedEntry(t *testing.T, file []byte) (d *deflated, inflated *int) {
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	return &deflated{entry: z.File[0], start: 100, cursor: &cursor{}, open: &openEntries{}}, countInflated(z)
}

func TestDeflated(t *testing.T) {
	const size = 100_100
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i * i >> 8)
	}
	file := zipFile(t, zipEntry{"a", content, zip.Deflate})
	d, inflated := deflatedEntry(t, file)
	require.Equal(t, uint64(100_000), d.size())
	read := func(from, to int) {
		t.Helper()
		b, err := d.read(uint64(from), uint64(to))
		require.NoError(t, err)
		require.True(t, bytes.Equal(content[100+from:100+to], b))
	}
	for i := range 100 {
		read(i*1000, i*1000+900) // parts in their order, with gaps
	}
	read(99_900, 100_000)
	require.Equal(t, size, *inflated)
	require.Empty(t, d.open.list, "all is read")

	read(0, 0)
	read(50_000, 60_000)
	read(60_000, 70_000)
	require.Less(t, *inflated, size+90_000)
	read(20_000, 100_000) // back
	require.Less(t, *inflated, 3*size)
	read(0, 100_000)

	_, err := d.read(99_000, 100_001)
	require.ErrorContains(t, err, `zip entry "a": `)
	require.Empty(t, d.open.list)
	read(10, 20)

	// The last byte comes with the checksum.
	at := bytes.Index(file, []byte("PK\x01\x02")) + 16
	file[at]++
	d, _ = deflatedEntry(t, file)
	_, err = d.read(0, 99_999)
	require.NoError(t, err)
	_, err = d.read(99_999, 100_000)
	require.ErrorContains(t, err, `zip entry "a": damaged: zip: checksum error`)
}

// However many entries are read in part, few of them stay open.
func TestDeflatedMany(t *testing.T) {
	content := bytes.Repeat([]byte{1, 2, 3, 4}, 1000)
	var entries []zipEntry
	for i := range 2 * maxOpenEntries {
		entries = append(entries, zipEntry{string(rune('A' + i)), content, zip.Deflate})
	}
	a, err := openArchive(zipFile(t, entries...))
	require.NoError(t, err)
	var blocks []*deflated
	for _, f := range a.files {
		b, err := a.entry(f)
		require.NoError(t, err)
		blocks = append(blocks, b.deflated)
	}
	for from := uint64(0); from < 4000; from += 1000 {
		for _, d := range blocks {
			b, err := d.read(from, from+1000)
			require.NoError(t, err)
			require.Equal(t, content[from:from+1000], b)
			require.LessOrEqual(t, len(a.open.list), maxOpenEntries)
		}
	}
	require.Empty(t, a.open.list)
}

// Stacked blocks are inflated to be checked and to be quantized, and not once a
// block.
func TestStackedInflatesOnce(t *testing.T) {
	config := tinyConfig
	config.Depth = 8
	file := stackedFile(t, config, zip.Deflate)
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	inflated := countInflated(z)
	a := &archive{data: file, files: z.File, budget: 1 << 30, open: &openEntries{}}
	s, err := openNPZ(a)
	require.NoError(t, err)
	headers := *inflated
	s.files = [][]byte{file}
	c, err := open(s, "weights", Options{CropFraction: 0.8, Interpolation: Bicubic})
	require.NoError(t, err)
	_, err = c.Quantize(nil)
	require.NoError(t, err)
	size := 0
	for _, f := range z.File {
		size += int(f.UncompressedSize64)
	}
	require.Equal(t, 2*size, *inflated-headers)
}
