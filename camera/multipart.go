package camera

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
)

// partReader takes multipart/x-mixed-replace apart as cameras write it, which
// is not always as RFC 2046 section 5.1 has it:
//
//   - The boundary may be declared with the dashes that belong before it in
//     the body, in quotes, or not at all; and stand in the body with them or
//     without. Dashes are therefore ignored on both sides.
//   - Lines may end in LF alone.
//   - Content-Length may be missing; the part then ends at the next boundary.
//   - There may be bytes between the end of a part and the boundary.
//
// mime/multipart takes none of these and cannot be told to bound a part.
type partReader struct {
	r        *bufio.Reader
	boundary string // without dashes; empty if the server names none
	inPart   bool   // the boundary of the next part is read already
}

const (
	maxHeaderBytes = 8 << 10 // of one part
	maxJunkBytes   = 1 << 20 // between two parts
)

// next appends the body of the next JPEG part to dst. Its error is the
// stream's end.
func (p *partReader) next(dst []byte) ([]byte, error) {
	for {
		if !p.inPart {
			if err := p.findBoundary(); err != nil {
				return dst, err
			}
		}
		p.inPart = false
		length, isJPEG, err := p.header()
		if err != nil {
			return dst, err
		}
		start := len(dst)
		if length >= 0 {
			if length > maxPartBytes {
				return dst, fmt.Errorf("part of %d bytes; want at most %d", length, maxPartBytes)
			}
			dst = slices.Grow(dst, length)[:start+length]
			if _, err = io.ReadFull(p.r, dst[start:]); err != nil {
				return dst, ended(err)
			}
		} else if dst, err = p.untilBoundary(dst); err != nil {
			return dst, err
		}
		if isJPEG && len(dst) > start {
			return dst, nil
		}
		dst = dst[:start]
	}
}

// ended makes the end of a stream that has no end the loss of the camera.
func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%w: the stream ended", ErrGone)
	}
	return transportError(err)
}

// isBoundary reports whether a line separates parts.
func (p *partReader) isBoundary(line []byte) bool {
	line = bytes.TrimRight(line, "\r\n")
	core := bytes.Trim(line, "-")
	if p.boundary == "" {
		return len(line) > 2 && line[0] == '-' && line[1] == '-'
	}
	return string(core) == p.boundary
}

// findBoundary skips to the line after the next boundary.
func (p *partReader) findBoundary() error {
	for skipped := 0; skipped < maxJunkBytes; {
		line, err := p.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return ended(err)
		}
		if p.isBoundary(line) {
			return nil
		}
		skipped += len(line)
	}
	return fmt.Errorf("%w: no boundary %q in %d bytes of the stream", ErrGone, p.boundary, maxJunkBytes)
}

// header reads the header lines of a part. length is -1 if they do not tell.
func (p *partReader) header() (length int, isJPEG bool, err error) {
	length, isJPEG = -1, true
	for read := 0; read < maxHeaderBytes; {
		line, err := p.r.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			break
		}
		if err != nil {
			return 0, false, ended(err)
		}
		read += len(line)
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			return length, isJPEG, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length = decimal(value); length < 0 {
				return 0, false, fmt.Errorf("part with Content-Length %q", value)
			}
		case bytes.EqualFold(name, []byte("Content-Type")):
			isJPEG = len(value) >= 8 && bytes.EqualFold(value[:8], []byte("image/jp")) // jpeg or jpg
		}
	}
	return 0, false, fmt.Errorf("part header of more than %d bytes", maxHeaderBytes)
}

// decimal is the number, or -1. Unlike strconv it takes bytes.
func decimal(b []byte) int {
	if len(b) == 0 || len(b) > 9 {
		return -1
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// untilBoundary appends everything before the next boundary line.
func (p *partReader) untilBoundary(dst []byte) ([]byte, error) {
	start, atLineStart := len(dst), true
	for {
		line, err := p.r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return dst, ended(err)
		}
		if atLineStart && p.isBoundary(line) {
			p.inPart = true
			// The line break before the boundary belongs to it.
			dst = bytes.TrimSuffix(dst, []byte("\n"))
			dst = bytes.TrimSuffix(dst, []byte("\r"))
			return dst[:max(len(dst), start)], nil
		}
		atLineStart = err == nil
		if len(dst)-start+len(line) > maxPartBytes {
			return dst, fmt.Errorf("part of more than %d bytes", maxPartBytes)
		}
		dst = append(dst, line...)
	}
}
