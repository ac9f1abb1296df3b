package kernels

// lanes is the number of running sums in a reduction. Rows are handed to
// assembly in multiples of it.
const lanes = 16

// laneSums are the running sums: lane j has the sum of elements j, j+16, ….
type laneSums [lanes]float32

// fold adds the lanes as a tree: those 8 apart, then 4, 2 and 1.
func (l *laneSums) fold() float32 {
	var b [8]float32
	for j := range b {
		b[j] = l[j] + l[j+8]
	}
	c0, c1, c2, c3 := b[0]+b[4], b[1]+b[5], b[2]+b[6], b[3]+b[7]
	return (c0 + c2) + (c1 + c3)
}
