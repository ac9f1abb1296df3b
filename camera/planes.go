package camera

// planes are the pixels of one frame in memory, and how to read them as RGB.
// Packed formats use only the first plane. Chroma has one sample for
// 1<<hs by 1<<vs pixels.
type planes struct {
	layout           layout
	table            *colorTable
	y, cb, cr        []byte
	yStride, cStride int

	// Of planar YCbCr.
	hs, vs       uint
	cw, ch       int       // samples of a chroma plane
	cbRow, crRow chromaRow // of the row being read
}

// layout is how pixels lie in memory.
type layout uint8

const (
	layoutYUYV   layout = iota // y: Y0 Cb Y1 Cr
	layoutNV12                 // y, and cb with Cb Cr pairs
	layoutGrey                 // y
	layoutRGB                  // y: R G B
	layoutBGR                  // y: B G R
	layoutPlanar               // y, cb, cr
)

// raw lays the planes over the bytes of a frame that checkRaw accepted.
func (p *planes) raw(f *Frame) {
	p.y, p.yStride, p.table = f.Data, f.Stride, colorTables[f.Color&3]
	switch f.Format {
	case YUYV:
		p.layout = layoutYUYV
	case NV12:
		p.layout = layoutNV12
		p.cb, p.cStride = f.Data[f.Stride*f.Height:], f.Stride
	case Grey:
		p.layout = layoutGrey
	case RGB24:
		p.layout = layoutRGB
	case BGR24:
		p.layout = layoutBGR
	}
}

// planar makes the planes YCbCr as JPEG has it. y is set already; width and
// height are those of the picture.
func (p *planes) planar(cb, cr []byte, stride int, hs, vs uint, width, height int) {
	p.layout, p.table = layoutPlanar, colorTables[BT601Full]
	p.cb, p.cr, p.cStride, p.hs, p.vs = cb, cr, stride, hs, vs
	p.cw, p.ch = ceilShift(width, hs), ceilShift(height, vs)
}

// row converts the len(dst)/3 pixels of frame row y that start at x.
func (p *planes) row(dst []byte, x, y int) {
	n := len(dst) / 3
	if n == 0 {
		return
	}
	line := p.y[y*p.yStride:]
	switch p.layout {
	case layoutYUYV:
		if x&1 != 0 {
			dst[0], dst[1], dst[2] = p.at(x, y)
			dst, x, n = dst[3:], x+1, n-1
		}
		yuyvRow(dst, line[2*x:], p.table)
		if n&1 != 0 {
			dst[3*n-3], dst[3*n-2], dst[3*n-1] = p.at(x+n-1, y)
		}
	case layoutGrey:
		greyRow(dst, line[x:x+n])
	case layoutRGB:
		copy(dst, line[3*x:3*(x+n)])
	case layoutBGR:
		src := line[3*x : 3*(x+n)]
		for i := 0; i+2 < len(src) && i+2 < len(dst); i += 3 {
			dst[i], dst[i+1], dst[i+2] = src[i+2], src[i+1], src[i]
		}
	case layoutNV12:
		pairs, odd := p.cb[y>>1*p.cStride+x&^1:], x&1
		p.cbRow.repeat(pairs, odd+n)
		p.crRow.repeat(pairs[1:], odd+n)
		yccRow(dst, line[x:x+n], p.cbRow[odd:][:n], p.crRow[odd:][:n], p.table)
	case layoutPlanar:
		yccRow(dst, line[x:x+n], p.cbRow.upsample(p, p.cb, x, y, n), p.crRow.upsample(p, p.cr, x, y, n), p.table)
	}
}

// at converts one pixel of the frame.
func (p *planes) at(x, y int) (r, g, b byte) {
	line := p.y[y*p.yStride:]
	switch p.layout {
	case layoutYUYV:
		pair := line[x&^1*2:][:4]
		return p.table.rgb(pair[x&1*2], pair[1], pair[3])
	case layoutNV12:
		c := p.cb[y>>1*p.cStride+x&^1:][:2]
		return p.table.rgb(line[x], c[0], c[1])
	case layoutGrey:
		return line[x], line[x], line[x]
	case layoutRGB:
		return line[3*x], line[3*x+1], line[3*x+2]
	case layoutBGR:
		return line[3*x+2], line[3*x+1], line[3*x]
	default:
		return p.table.rgb(line[x], p.chroma(p.cb, x, y), p.chroma(p.cr, x, y))
	}
}
