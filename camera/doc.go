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
// costs nothing for raw formats; a [Picture] converts row by row on demand,
// so a full RGB picture never exists. Pictures satisfy, structurally, every
// interface that asks for Size and RowRGB.
//
// # Color
//
// Raw YUYV and NV12 from cameras are BT.601 in limited range (luma 16 to 235),
// which is what V4L2 defines for YCbCr formats whose driver names nothing
// else; a driver that does name its matrix or range is believed ([Color]).
// JPEG is BT.601 in full range, as JFIF defines it.
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
package camera
