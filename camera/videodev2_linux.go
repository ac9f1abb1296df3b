package camera

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parts of linux/videodev2.h that the webcam library does not give, under
// the kernel's names. The offsets are of the 64-bit and the 32-bit layout; a
// test holds the structs against them.

// v4l2_capability: VIDIOC_QUERYCAP. 104 bytes.
type v4l2_capability struct {
	driver       [16]byte // 0
	card         [32]byte // 16
	bus_info     [32]byte // 48
	version      uint32   // 80
	capabilities uint32   // 84: of the whole device
	device_caps  uint32   // 88: of this node
	reserved     [3]uint32
}

// v4l2_pix_format: the part of v4l2_format for single-planar capture.
type v4l2_pix_format struct {
	width        uint32 // 0
	height       uint32 // 4
	pixelformat  uint32 // 8
	field        uint32 // 12
	bytesperline uint32 // 16
	sizeimage    uint32 // 20
	colorspace   uint32 // 24
	priv         uint32 // 28
	flags        uint32 // 32
	ycbcr_enc    uint32 // 36
	quantization uint32 // 40
	xfer_func    uint32 // 44
}

// color is how the driver means YCbCr. What it leaves open follows from the
// color space, as V4L2_MAP_YCBCR_ENC_DEFAULT and V4L2_MAP_QUANTIZATION_DEFAULT
// have it. Matrices that no webcam has are taken for BT.601.
func (p *v4l2_pix_format) color() Color {
	matrix, full := p.ycbcr_enc, p.quantization == V4L2_QUANTIZATION_FULL_RANGE
	if matrix == V4L2_YCBCR_ENC_DEFAULT && (p.colorspace == V4L2_COLORSPACE_REC709 || p.colorspace == V4L2_COLORSPACE_DCI_P3) {
		matrix = V4L2_YCBCR_ENC_709
	}
	if p.quantization == V4L2_QUANTIZATION_DEFAULT {
		full = p.colorspace == V4L2_COLORSPACE_JPEG
	}
	color := BT601
	if matrix == V4L2_YCBCR_ENC_709 || matrix == V4L2_YCBCR_ENC_XV709 {
		color = BT709
	}
	if full {
		color++ // the full range of the same matrix
	}
	return color
}

// v4l2_format: VIDIOC_G_FMT. 208 or 204 bytes: the union holds pointers, so it
// is aligned as one.
type v4l2_format struct {
	typ uint32     // 0
	_   [0]uintptr // aligns what follows as the union
	pix v4l2_pix_format
	_   [200 - 48]byte
}

// v4l2_buffer: VIDIOC_QUERYBUF. 88 or 68 bytes.
type v4l2_buffer struct {
	index     uint32       // 0
	typ       uint32       // 4
	bytesused uint32       // 8
	flags     uint32       // 12
	field     uint32       // 16
	timestamp unix.Timeval // 24, 20
	timecode  [16]byte     // 40, 28
	sequence  uint32       // 56, 44
	memory    uint32       // 60, 48
	m         uintptr      // 64, 52
	length    uint32       // 72, 56
	reserved2 uint32       // 76, 60
	requestfd int32        // 80, 64
}

// Constants of linux/videodev2.h.
const (
	V4L2_BUF_TYPE_VIDEO_CAPTURE = 1
	V4L2_MEMORY_MMAP            = 1

	V4L2_CAP_VIDEO_CAPTURE = 0x00000001
	V4L2_CAP_VIDEO_M2M     = 0x00008000
	V4L2_CAP_STREAMING     = 0x04000000
	V4L2_CAP_DEVICE_CAPS   = 0x80000000

	V4L2_BUF_FLAG_DONE                = 0x00000004
	V4L2_BUF_FLAG_ERROR               = 0x00000040
	V4L2_BUF_FLAG_TIMESTAMP_MASK      = 0x0000e000
	V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC = 0x00002000

	V4L2_COLORSPACE_REC709 = 3
	V4L2_COLORSPACE_JPEG   = 7
	V4L2_COLORSPACE_DCI_P3 = 12

	V4L2_YCBCR_ENC_DEFAULT = 0
	V4L2_YCBCR_ENC_709     = 2
	V4L2_YCBCR_ENC_XV709   = 4

	V4L2_QUANTIZATION_DEFAULT    = 0
	V4L2_QUANTIZATION_FULL_RANGE = 1
)

var (
	VIDIOC_QUERYCAP = ioc(2, 0, unsafe.Sizeof(v4l2_capability{}))
	VIDIOC_G_FMT    = ioc(3, 4, unsafe.Sizeof(v4l2_format{}))
	VIDIOC_QUERYBUF = ioc(3, 9, unsafe.Sizeof(v4l2_buffer{}))
)

// ioc is the kernel's _IOC with type 'V'; dir 1 writes, 2 reads, 3 does both.
func ioc(dir, nr, size uintptr) uintptr { return dir<<30 | size<<16 | 'V'<<8 | nr }

// ioctl retries what a signal interrupted.
func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}
