package quant

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/klauspost/compress/flate"
)

// archive is a mapped zip file: PyTorch's and NumPy's formats are such.
type archive struct {
	data   []byte
	files  []*zip.File
	index  map[string]*zip.File
	budget uint64 // bytes that entries may still inflate to
	open   *openEntries
}

// inflation is how many times its size a zip file may inflate to, besides
// inflationSlack bytes. Trained weights shrink to no less than a third; a zip
// bomb inflates a thousandfold.
const (
	inflation      = 16
	inflationSlack = 16 << 20
)

// openArchive reads the directory of a zip file.
func openArchive(data []byte) (*archive, error) {
	r := &directoryReader{bytes.NewReader(data), maxDirectory}
	z, err := zip.NewReader(r, int64(len(data)))
	r.left = math.MaxInt64 // entries are bounded by what is asked of them
	if errors.Is(err, errDirectory) {
		return nil, errDirectory
	}
	if errors.Is(err, zip.ErrFormat) {
		return nil, errors.New("zip file is cut short or damaged: its directory, which stands at the end, cannot be read")
	}
	if err != nil {
		return nil, fmt.Errorf("zip file: %w", err)
	}
	z.RegisterDecompressor(zip.Deflate, flate.NewReader) // half as fast again as the standard library's
	a := &archive{data: data, files: z.File, index: map[string]*zip.File{}, budget: inflation*uint64(len(data)) + inflationSlack, open: &openEntries{}}
	for _, f := range z.File {
		if a.index[f.Name] != nil {
			return nil, fmt.Errorf("zip file: entry %q stands there twice", f.Name)
		}
		a.index[f.Name] = f
	}
	return a, nil
}

// maxDirectory is the longest directory of a zip file that is read, in bytes. The
// reader holds some ten times as much; that of a ViT has less than 100 KB.
const maxDirectory = 8 << 20

var errDirectory = fmt.Errorf("zip file: its directory has more than %d bytes", maxDirectory)

// directoryReader reads no more than what is left.
type directoryReader struct {
	io.ReaderAt
	left int64
}

func (r *directoryReader) ReadAt(p []byte, offset int64) (int, error) {
	if r.left -= int64(len(p)); r.left < 0 {
		return 0, errDirectory
	}
	return r.ReaderAt.ReadAt(p, offset)
}

// inflated is how many bytes the entries that were asked for inflate to.
func (a *archive) inflated() uint64 {
	return inflation*uint64(len(a.data)) + inflationSlack - a.budget
}

// block is the content of an entry: in place in the mapped file, or to be
// inflated. One of the two is set.
type block struct {
	data     []byte
	deflated *deflated
}

// entry locates the content of an entry.
func (a *archive) entry(f *zip.File) (block, error) {
	switch f.Method {
	case zip.Store:
		offset, err := f.DataOffset()
		if err != nil {
			return block{}, fmt.Errorf("zip entry %q: %w", f.Name, err)
		}
		n := uint64(len(a.data))
		if uint64(offset) > n || f.UncompressedSize64 > n-uint64(offset) || f.UncompressedSize64 != f.CompressedSize64 {
			return block{}, fmt.Errorf("zip entry %q: %d bytes at %d are not in a file of %d", f.Name, f.UncompressedSize64, offset, n)
		}
		end := uint64(offset) + f.UncompressedSize64
		return block{data: a.data[offset:end:end]}, nil
	case zip.Deflate:
		if f.UncompressedSize64 > a.budget {
			return block{}, fmt.Errorf("zip entry %q: inflates to %d bytes, and the file with it to more than %d times its size", f.Name, f.UncompressedSize64, inflation)
		}
		a.budget -= f.UncompressedSize64
		return block{deflated: &deflated{entry: f, cursor: &cursor{}, open: a.open}}, nil
	}
	return block{}, fmt.Errorf("zip entry %q: compression method %d is not supported; store it, or deflate it", f.Name, f.Method)
}

// inflate returns the first n bytes of an entry.
func inflate(f *zip.File, n uint64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("zip entry %q: %w", f.Name, err)
	}
	defer r.Close()
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("zip entry %q: %w", f.Name, err)
	}
	return data, nil
}

// bytes is the whole content.
func (b block) bytes() ([]byte, error) {
	if b.deflated == nil {
		return b.data, nil
	}
	return b.deflated.read(0, b.deflated.size())
}

// checksum reports a stored entry that is not what was put there. Zero is no
// checksum: PyTorch writes it where torch.serialization.set_crc32_options says so.
func (a *archive) checksum(f *zip.File, b block) error {
	if b.deflated == nil && f.CRC32 != 0 && crc32.ChecksumIEEE(b.data) != f.CRC32 {
		return fmt.Errorf("zip entry %q: damaged: its checksum is another", f.Name)
	}
	return nil
}
