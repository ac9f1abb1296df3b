package quant

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// family is a way of naming and storing a ViT. A checkpoint's family is found by
// the names of its tensors, never by the name of its file.
type family struct {
	name    string
	anchors []string // tensors of the first block, of which one is there

	// origins lists where the tensor of a canonical name may lie.
	origins func(canonical string) []origin
	// blocks are what stands before the number of a block.
	blocks []string
	// positioned lists how many of the tokens before the patches may have
	// positions, where there is a class token or not, and other tokens.
	positioned func(class, others int) []int
	// unused reports tensors that such files hold and a classifier never reads.
	unused func(name string) bool
	// configure fills in what shapes do not say, from the files beside the
	// weights. What they leave open stays zero.
	configure func(c *Checkpoint, s sidecars) error
	// anySize is set where the reference implementation resizes the position
	// embedding to the picture.
	anySize bool
}

// families are all that Open knows, tried in this order: a name with a prefix
// comes before one without, and ViT before DINOv2, some of whose names it has.
var families = []*family{
	timm,
	torchvision,
	jax,
	huggingFace("vit.", huggingFace4, "Hugging Face ViT"),
	huggingFace("vit.", huggingFace5, "Hugging Face ViT of release 5"),
	huggingFace("deit.", huggingFace4, "Hugging Face DeiT"),
	huggingFace("deit.", huggingFace5, "Hugging Face DeiT of release 5"),
	huggingFace("", huggingFace4, "Hugging Face ViT without prefix"),
	huggingFace("", huggingFace5, "Hugging Face ViT of release 5 without prefix"),
	dinov2("dinov2.", huggingFace4, "Hugging Face DINOv2"),
	dinov2("dinov2.", huggingFace5, "Hugging Face DINOv2 of release 5"),
	dinov2("dinov2_with_registers.", huggingFace4, "Hugging Face DINOv2 with registers"),
	dinov2("dinov2_with_registers.", huggingFace5, "Hugging Face DINOv2 with registers of release 5"),
	dinov2("", huggingFace4, "Hugging Face DINOv2 without prefix"),
	dinov2("", huggingFace5, "Hugging Face DINOv2 of release 5 without prefix"),
}

// errUnknown is that of tensors which are no plain ViT's, errSeveral that of several
// ViTs, or of something that looks like them.
var (
	errUnknown = errors.New("unknown architecture")
	errSeveral = errors.New("several models")
)

// findFamily recognizes the source and removes what its names have in front, or
// says what it has instead.
func findFamily(s *source) (*family, error) {
	if len(s.arrays) == 0 {
		return nil, fmt.Errorf("%w: the file has no tensors", errUnknown)
	}
	if err := refuseRelatives(s); err != nil {
		return nil, err
	}
	for _, fam := range families {
		prefix, found, err := fam.prefix(s)
		if err != nil {
			return nil, err
		}
		if found {
			return fam, s.strip(prefix)
		}
	}
	var names []string
	for _, a := range s.arrays[:min(4, len(s.arrays))] {
		names = append(names, strconv.Quote(a.name))
	}
	return nil, fmt.Errorf("%w: tensors like %s belong to no ViT of timm, Hugging Face, torchvision or JAX", errUnknown, strings.Join(names, ", "))
}

// prefix is what stands before the names of the family, "module." for example.
func (fam *family) prefix(s *source) (prefix string, found bool, err error) {
	for _, a := range s.arrays {
		for _, anchor := range fam.anchors {
			p, ok := strings.CutSuffix(a.name, anchor)
			if !ok || p != "" && !strings.HasSuffix(p, ".") && !strings.HasSuffix(p, "/") {
				continue
			}
			if found && p != prefix {
				return "", false, fmt.Errorf("%w: tensors under %q and under %q; save one of them alone", errSeveral, prefix, p)
			}
			prefix, found = p, true
		}
	}
	return prefix, found, nil
}

// strip removes prefix from the names, or as many of its leading words as they
// have: a head may stand outside the wrapper of the encoder. JAX's files hold
// the optimizer beside the weights; it goes.
func (s *source) strip(prefix string) error {
	if prefix == "" {
		return nil
	}
	s.note("prefix", prefix, "tensor names")
	arrays := s.arrays
	s.arrays, s.index = nil, map[string]int{}
	for _, a := range arrays {
		p := prefix
		for !strings.HasPrefix(a.name, p) {
			p = p[:strings.LastIndexAny(p[:len(p)-1], "./")+1]
		}
		if p != prefix && strings.HasSuffix(prefix, "/") {
			continue
		}
		a.name = a.name[len(p):]
		if err := s.add(a); err != nil {
			return err
		}
	}
	return nil
}

// find looks a canonical name up. It returns the part that holds the tensor,
// without a shape where the source's shape does not allow it, the whole tensor of
// the source, and where it was found.
func (fam *family) find(s *source, canonical string) (view, whole array, o origin, err error) {
	var names []string
	for _, o := range fam.origins(canonical) {
		whole, ok := s.find(o.name)
		if !ok {
			names = append(names, o.name)
			continue
		}
		return o.view(whole), whole, o, nil
	}
	return array{}, array{}, origin{}, missingError(names)
}

// missingError lists what a tensor that is not there may be called.
type missingError []string

func (e missingError) Error() string {
	return fmt.Sprintf(`tensor "%s" is missing`, strings.Join(e, `" or "`))
}

// has reports whether a tensor is there.
func (fam *family) has(s *source, canonical string) bool {
	_, _, _, err := fam.find(s, canonical)
	return err == nil
}
