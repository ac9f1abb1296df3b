package camera

import (
	"fmt"
	"strings"
)

// FourCC names a pixel format as V4L2 does: four characters, the first in the
// lowest byte (v4l2_fourcc in linux/videodev2.h).
type FourCC uint32

// The pixel formats that [Frame.Decode] understands.
const (
	YUYV  FourCC = 'Y' | 'U'<<8 | 'Y'<<16 | 'V'<<24 // packed 4:2:2, two pixels in four bytes
	NV12  FourCC = 'N' | 'V'<<8 | '1'<<16 | '2'<<24 // 4:2:0, a plane of Y, then a plane of CbCr pairs
	Grey  FourCC = 'G' | 'R'<<8 | 'E'<<16 | 'Y'<<24 // 8-bit luma, full range
	RGB24 FourCC = 'R' | 'G'<<8 | 'B'<<16 | '3'<<24 // bytes R, G, B
	BGR24 FourCC = 'B' | 'G'<<8 | 'R'<<16 | '3'<<24 // bytes B, G, R
	MJPG  FourCC = 'M' | 'J'<<8 | 'P'<<16 | 'G'<<24 // one JPEG a frame, Huffman tables may be missing
	JPEG  FourCC = 'J' | 'P'<<8 | 'E'<<16 | 'G'<<24 // one JFIF file a frame
	PNG   FourCC = 'P' | 'N'<<8 | 'G'<<16 | ' '<<24 // a PNG file; not a format of V4L2
)

// formatNames are what people call the formats, beside the code itself.
var formatNames = map[string]FourCC{
	"yuyv": YUYV, "yuy2": YUYV, "nv12": NV12, "grey": Grey, "gray": Grey,
	"rgb24": RGB24, "rgb3": RGB24, "bgr24": BGR24, "bgr3": BGR24,
	"mjpg": MJPG, "mjpeg": MJPG, "jpeg": JPEG,
}

// ParseFourCC reads the name of a pixel format that cameras send, in any case:
// yuyv, nv12, grey, rgb24, bgr24, mjpeg or jpeg.
func ParseFourCC(name string) (FourCC, error) {
	if f, ok := formatNames[strings.ToLower(name)]; ok {
		return f, nil
	}
	return 0, fmt.Errorf("pixel format %q is not supported; want yuyv, nv12, grey, rgb24, bgr24 or mjpeg", name)
}

// String is the four characters, with anything unprintable as a dot.
func (f FourCC) String() string {
	b := [4]byte{byte(f), byte(f >> 8), byte(f >> 16), byte(f >> 24)}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '.'
		}
	}
	return strings.TrimRight(string(b[:]), " ")
}

// MarshalText gives the characters, for JSON.
func (f FourCC) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Compressed reports whether frames of the format vary in length.
func (f FourCC) Compressed() bool { return f == MJPG || f == JPEG || f == PNG }

// size is the number of bytes of a raw frame, and 0 for compressed formats.
func (f FourCC) size(stride, height int) int {
	switch f {
	case YUYV, Grey, RGB24, BGR24:
		return stride * height
	case NV12:
		return stride * (height + (height+1)/2)
	}
	return 0
}

// minStride is the number of bytes that the pixels of one row take.
func (f FourCC) minStride(width int) int {
	switch f {
	case YUYV:
		return (width + 1) / 2 * 4
	case NV12:
		return (width + 1) / 2 * 2
	case Grey:
		return width
	case RGB24, BGR24:
		return 3 * width
	}
	return 0
}
