// Package camera gives pictures: from USB cameras (V4L2), from files and
// folders, from cameras that serve MJPEG over HTTP, and from a test pattern.
//
// # From light to rows
//
//	source ── Next ──► Frame ── Decode ──► Picture ── RowRGB ──► the resampler
//	                   the camera's bytes  rows on demand        of the caller
//
// A [Camera] has one owner goroutine, which calls [Camera.Next] whenever it is
// ready for another frame. Next gives the newest frame there is: a slow owner
// drops frames and never works through a queue of old ones. The frame's bytes
// are a copy that belongs to the camera and is overwritten by the next call,
// so nothing of the driver's memory ever reaches the owner.
//
// A [Frame] is decoded only if somebody wants to look at it. [Frame.Decode]
// costs nothing for raw formats; a [Picture] converts row by row on demand, or
// in bands of columns if it is turned, so a full RGB picture of a camera's frame
// never exists. Pictures satisfy, structurally, every
// interface that asks for Size and RowRGB.
//
// An [Inspector] beside the loop tells frames that show what is before the
// camera now from those that do not.
//
// # Color
//
// Raw YUYV and NV12 from cameras are BT.601 in limited range (luma 16 to 235),
// which is what V4L2 defines for YCbCr formats whose driver names nothing
// else; a driver that does name its matrix or range is believed ([Color]).
// GREY and JPEG are in full range, JPEG with the matrix of BT.601, as JFIF
// defines it. Colors are within a level of ffmpeg's, and the rows of a baseline
// JPEG are those of libjpeg-turbo, and so of Pillow, byte for byte.
//
// Conversions are exact integers. The Go loops are the specification; AVX2 and
// NEON give the same bytes, and the build tag purego leaves them out.
//
// # What can go wrong
//
// Next and Decode tell apart what an owner must tell apart:
//
//   - [ErrCorrupt]: this frame is bad; count it and call Next again.
//   - [ErrGone], [ErrBusy], [ErrTimeout] and every other error: the camera is
//     down. Calling Next again waits, with backoff, until it is back.
//   - [io.EOF]: a source without loop is at its end.
//   - the error of the context.
//
// A camera that comes back is found again by its name, by its product and
// serial number if it was named by a node, or by being there if it was not
// named at all. Between attempts nothing is held and nothing is polled. An owner
// to whom frames come that it cannot believe has it opened again: [Reopener].
//
// # Where things are
//
//	config.go, camera.go     what is opened, what a frame is
//	recover.go               a camera that goes away and comes back
//	*_linux.go, device.go    V4L2: find, negotiate, capture
//	files.go, pattern.go     folders and test patterns
//	http.go, multipart.go    MJPEG over HTTP
//	picture.go, planes.go    from a frame to rows, with rows.go, chroma.go, color.go
//	jpeg*.go                 the JPEG decoder
//	simd*.go, *.s            vector versions
//	inspect.go, snapshot.go  honest frames, one picture on demand
package camera
