package quant

import (
	"encoding/binary"
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestFloat16 compares every binary16 with the formula of IEEE 754.
func TestFloat16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		sign, exponent, fraction := 1.0, int(h>>10&0x1f), float64(h&0x3ff)
		if h>>15 == 1 {
			sign = -1
		}
		var want float64
		switch {
		case exponent == 0:
			want = sign * math.Ldexp(fraction/1024, -14)
		case exponent < 31:
			want = sign * math.Ldexp(1+fraction/1024, exponent-15)
		case fraction == 0:
			want = math.Inf(int(sign))
		default:
			require.True(t, math.IsNaN(float64(float16(h))), "%#04x", h)
			continue
		}
		got := float64(float16(h))
		if got != want || math.Signbit(got) != math.Signbit(want) {
			t.Fatalf("float16(%#04x) = %g; want %g", h, got, want)
		}
	}
}

func TestBFloat16(t *testing.T) {
	for bits, want := range map[uint16]float32{0x3f80: 1, 0xc040: -3, 0x0001: 0x1p-133, 0x7f7f: 0x1.fep127, 0: 0} {
		require.Equal(t, want, bfloat16(bits))
	}
	require.True(t, math.IsInf(float64(bfloat16(0xff80)), -1))
}

func TestFloat32s(t *testing.T) {
	want := []float32{0, -1.5, 0.25, 0x1p-14}
	buf := make([]byte, 17)
	for offset := range 2 { // aligned and not
		data := buf[offset : offset+16]
		for i, v := range want {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
		}
		got, err := Tensor{Name: "x", DType: F32, Shape: []int{2, 2}, Data: data}.Float32s()
		require.NoError(t, err)
		require.Equal(t, want, got)
		aligned := uintptr(unsafe.Pointer(&data[0]))%4 == 0
		shared := unsafe.Pointer(&got[0]) == unsafe.Pointer(&data[0])
		require.Equal(t, aligned && littleEndian, shared)
	}
	got, err := Tensor{DType: F16, Shape: []int{4}, Data: []byte{0, 0, 0x00, 0xbe, 0x00, 0x34, 0x00, 0x04}}.Float32s()
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = Tensor{DType: BF16, Shape: []int{4}, Data: []byte{0, 0, 0xc0, 0xbf, 0x80, 0x3e, 0x80, 0x38}}.Float32s()
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = Tensor{DType: F32, Shape: []int{0}}.Float32s()
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestFloat32sRefuses(t *testing.T) {
	largest := map[DType]uint32{F32: 0x7f7fffff, F16: 0x7bff, BF16: 0x7f7f}
	infinity := map[DType]uint32{F32: 0x7f800000, F16: 0x7c00, BF16: 0x7f80}
	for _, dtype := range []DType{F32, F16, BF16} {
		size := dtype.Size()
		tensor := Tensor{Name: "w", DType: dtype, Shape: []int{3, 3}, Data: make([]byte, 9*size)}
		put := func(i int, bits uint32) {
			for j := range size {
				tensor.Data[i*size+j] = byte(bits >> (8 * j))
			}
		}
		sign := uint32(1) << (8*size - 1)
		put(2, largest[dtype])
		put(3, largest[dtype]|sign)
		_, err := tensor.Float32s()
		require.NoError(t, err, dtype)
		for i := range 9 {
			for bits, text := range map[uint32]string{
				infinity[dtype]:            "+Inf",
				infinity[dtype] | sign:     "-Inf",
				infinity[dtype] | 1:        "NaN",
				infinity[dtype] | sign | 3: "NaN",
			} {
				put(i, bits)
				_, err := tensor.Float32s()
				require.ErrorContains(t, err, `tensor "w": element `+string(rune('0'+i))+` of [3 3] is `+text)
			}
			put(i, 0)
		}
	}
	_, err := Tensor{Name: "w", DType: I32, Shape: []int{1}, Data: make([]byte, 4)}.Float32s()
	require.ErrorContains(t, err, `tensor "w": dtype is I32; want F32, F16 or BF16`)
	_, err = Tensor{Name: "w", DType: F32, Shape: []int{1}, Data: make([]byte, 3)}.Float32s()
	require.ErrorContains(t, err, "does not fill 3 bytes")
}

func TestInt8s(t *testing.T) {
	data := []byte{0, 127, 128, 255}
	got, err := Tensor{DType: I8, Shape: []int{4}, Data: data}.Int8s()
	require.NoError(t, err)
	require.Equal(t, []int8{0, 127, -128, -1}, got)
	require.Equal(t, unsafe.Pointer(&data[0]), unsafe.Pointer(&got[0]))
	_, err = Tensor{Name: "w", DType: U8, Shape: []int{4}, Data: data}.Int8s()
	require.ErrorContains(t, err, `tensor "w": dtype is U8; want I8`)
	_, err = Tensor{Name: "w", DType: I8, Shape: []int{5}, Data: data}.Int8s()
	require.ErrorContains(t, err, "does not fill 4 bytes")
}
