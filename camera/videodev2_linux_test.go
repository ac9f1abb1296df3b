package camera

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/blackjack/webcam"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestLayouts compares sizes, offsets and request numbers with those of
// linux/videodev2.h, as a C compiler for x86_64 and i386 (and for arm64 and
// arm, which lay these structs out alike) prints them.
func TestLayouts(t *testing.T) {
	type layout struct{ format, pix, buffer, timestamp, sequence, length, capability uintptr }
	got := layout{
		format:     unsafe.Sizeof(v4l2_format{}),
		pix:        unsafe.Offsetof(v4l2_format{}.pix),
		buffer:     unsafe.Sizeof(v4l2_buffer{}),
		timestamp:  unsafe.Offsetof(v4l2_buffer{}.timestamp),
		sequence:   unsafe.Offsetof(v4l2_buffer{}.sequence),
		length:     unsafe.Offsetof(v4l2_buffer{}.length),
		capability: unsafe.Sizeof(v4l2_capability{}),
	}
	require.Equal(t, uintptr(48), unsafe.Sizeof(v4l2_pix_format{}))
	require.Equal(t, uintptr(0x80685600), VIDIOC_QUERYCAP)
	if unsafe.Sizeof(uintptr(0)) == 8 {
		require.Equal(t, layout{208, 8, 88, 24, 56, 72, 104}, got)
		require.Equal(t, uintptr(0xc0d05604), VIDIOC_G_FMT)
		require.Equal(t, uintptr(0xc0585609), VIDIOC_QUERYBUF)
	} else {
		require.Equal(t, layout{204, 4, 68, 20, 44, 56, 104}, got)
		require.Equal(t, uintptr(0xc0cc5604), VIDIOC_G_FMT)
		require.Equal(t, uintptr(0xc0445609), VIDIOC_QUERYBUF)
	}
}

// TestDriverColor: a driver may name the matrix and the range, or leave them to
// the color space.
func TestDriverColor(t *testing.T) {
	const srgb, smpte170m, limited, enc601, xv709 = 8, 1, 2, 1, 4
	for _, tt := range []struct {
		colorspace, encoding, quantization uint32
		want                               Color
	}{
		{0, 0, 0, BT601},
		{srgb, 0, 0, BT601}, // most webcams
		{smpte170m, 0, 0, BT601},
		{V4L2_COLORSPACE_REC709, 0, 0, BT709},
		{V4L2_COLORSPACE_DCI_P3, 0, 0, BT709},
		{V4L2_COLORSPACE_JPEG, 0, 0, BT601Full},
		{V4L2_COLORSPACE_JPEG, 0, limited, BT601},
		{V4L2_COLORSPACE_REC709, enc601, 0, BT601},
		{V4L2_COLORSPACE_REC709, 0, V4L2_QUANTIZATION_FULL_RANGE, BT709Full},
		{srgb, V4L2_YCBCR_ENC_709, 0, BT709},
		{srgb, xv709, limited, BT709},
		{srgb, 0, V4L2_QUANTIZATION_FULL_RANGE, BT601Full},
		{0, 8, 0, BT601}, // SMPTE 240M
	} {
		p := v4l2_pix_format{colorspace: tt.colorspace, ycbcr_enc: tt.encoding, quantization: tt.quantization}
		require.Equal(t, tt.want, p.color(), "%+v", tt)
	}
}

// TestLibraryFields fails when the library renames what we read of it.
func TestLibraryFields(t *testing.T) {
	w := reflect.TypeFor[webcam.Webcam]()
	fd, ok := w.FieldByName("fd")
	require.True(t, ok)
	require.Equal(t, reflect.Uintptr, fd.Type.Kind())
	buffers, ok := w.FieldByName("buffers")
	require.True(t, ok)
	require.Equal(t, reflect.TypeFor[[][]byte](), buffers.Type)

	cam := new(webcam.Webcam)
	*field[uintptr](cam, "fd") = 7
	require.Equal(t, 7, descriptor(cam))
}

// field is an unexported field of the library's struct.
func field[T any](cam *webcam.Webcam, name string) *T {
	f := reflect.ValueOf(cam).Elem().FieldByName(name)
	return (*T)(f.Addr().UnsafePointer())
}

// TestReleaseBuffers maps a file as the library maps a driver's buffers and
// looks into /proc for what is left.
func TestReleaseBuffers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "video")
	require.NoError(t, os.WriteFile(path, make([]byte, 8192), 0o600))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	mappings := func() int {
		maps, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)
		return strings.Count(string(maps), path)
	}
	cam := new(webcam.Webcam)
	var mapped [][]byte
	for range 2 {
		b, err := unix.Mmap(int(file.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		mapped = append(mapped, b)
	}
	*field[[][]byte](cam, "buffers") = append(mapped, nil, nil) // mapping the third failed
	require.Positive(t, mappings())
	require.NoError(t, releaseBuffers(cam))
	require.Zero(t, mappings())
}

func TestOpenNodeRefuses(t *testing.T) {
	_, err := openNode(filepath.Join(t.TempDir(), "video0"))
	require.ErrorIs(t, err, ErrGone)
	_, err = openNode("/dev/null")
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrGone)
}
