package quant

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// wrappers are the keys under which training scripts keep the weights, the
// preferred first: where there is an average over the training (EMA), it is
// what timm loads. Sources: timm/models/_helpers.py, the scripts of DeiT, MAE
// and DINOv2, PyTorch Lightning.
var wrappers = []string{
	"state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "module", "net", "network",
	"teacher", "student", "backbone", "encoder", "weights", "params",
}

// maxNesting is how many dictionaries may lie around the weights.
const maxNesting = 3

// stateDict finds the weights in what torch.save was given: a state dict, one
// under the keys of a training script, or a whole module. A key that is not
// empty says which.
func stateDict(object any, key string) (*source, error) {
	s := newSource("PyTorch")
	top, _ := object.(*pickledDict)
	if top != nil {
		s.architecture = scriptArchitecture(top)
	}
	path := ""
	if key != "" {
		v, ok := top.find(key)
		if !ok {
			return nil, fmt.Errorf("no weights %q; %s", key, listKeys(top))
		}
		object, path = v, key
	}
	search := tensorSearch{}
	tensors, wrapper := search.find(object, 0)
	if tensors == nil {
		var err error
		if tensors, wrapper, err = search.only(object); err != nil {
			return nil, err
		}
	}
	if tensors == nil {
		return nil, fmt.Errorf("no weights found; %s", listKeys(top))
	}
	path = strings.Trim(path+"."+wrapper, ".")
	if path != "" {
		s.note("weights", path, others(top, path))
	}
	for _, t := range tensors {
		if t.tensor == nil {
			return nil, fmt.Errorf("tensor %q is made by %s; want dense ones that are not quantized", t.name, t.other)
		}
		if err := s.add(t.tensor.array(t.name)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// find is get of a dictionary that may be nil.
func (d *pickledDict) find(key string) (any, bool) {
	if d == nil {
		return nil, false
	}
	return d.get(key)
}

type namedTensor struct {
	name   string
	tensor *torchTensor
	other  string // what stands there instead, and tensor is nil
}

// tensorSearch looks for a state dict. It holds what was looked at in vain: values
// of a pickle may contain one another and themselves.
type tensorSearch map[any]bool

// find looks in v or under one of the wrappers' keys.
func (s tensorSearch) find(v any, depth int) (tensors []namedTensor, wrapper string) {
	d, isDict := v.(*pickledDict)
	o, isObject := v.(*pickledObject)
	if depth > maxNesting || !isDict && !isObject || s[v] {
		return nil, ""
	}
	s[v] = true
	if isObject {
		return moduleTensors(o), ""
	}
	// Scripts keep single tensors, an accuracy say, beside the weights.
	for _, key := range wrappers {
		if inner, ok := d.get(key); ok {
			if tensors, wrapper := s.find(inner, depth+1); tensors != nil {
				return tensors, strings.TrimSuffix(key+"."+wrapper, ".")
			}
		}
	}
	return dictTensors(nil, d, ""), ""
}

// maxKeys is how many keys a script may keep beside the weights. DINOv2's has 8.
const maxKeys = 100

// only looks under every key of v. Of several state dicts none is better than
// another.
func (s tensorSearch) only(v any) (tensors []namedTensor, wrapper string, err error) {
	d, ok := v.(*pickledDict)
	if !ok || len(d.keys) > maxKeys {
		return nil, "", nil
	}
	first := "" // key with tensors
	for i, v := range d.values {
		key, ok := d.keys[i].(string)
		if !ok {
			continue
		}
		list, inner := s.find(v, 1)
		if list != nil && tensors != nil {
			return nil, "", fmt.Errorf("several sets of weights, under %.40q and under %.40q; choose one by its key", first, key)
		}
		if list != nil {
			first, tensors, wrapper = key, list, strings.TrimSuffix(key+"."+inner, ".")
		}
	}
	return tensors, wrapper, nil
}

// dictTensors appends the tensors of a dictionary, also those of kinds that cannot
// be read.
func dictTensors(list []namedTensor, d *pickledDict, prefix string) []namedTensor {
	for i, v := range d.values {
		name, ok := d.keys[i].(string)
		if !ok || len(prefix)+len(name) > maxName {
			continue
		}
		switch v := v.(type) {
		case *torchTensor:
			list = append(list, namedTensor{name: prefix + name, tensor: v})
		case *pickledObject:
			if strings.HasPrefix(v.class.name, "_rebuild_") && (v.class.module == "torch._utils" || v.class.module == "torch._tensor") {
				list = append(list, namedTensor{name: prefix + name, other: v.class.String()})
			}
		}
	}
	return list
}

// moduleTensors lists the tensors of a pickled torch.nn.Module under the names of
// its state_dict().
func moduleTensors(v any) []namedTensor {
	w := moduleWalk{left: maxWalk}
	w.walk(v, "", 0)
	return w.list
}

// maxWalk bounds what a module that contains itself many times over unfolds to:
// modules, parameters and buffers. A ViT-L has some 1,000. maxName is the longest
// name of a tensor that is looked at, in bytes.
const (
	maxWalk = 1 << 16
	maxName = 1 << 10
)

type moduleWalk struct {
	list []namedTensor
	left int
}

func (w *moduleWalk) walk(v any, prefix string, depth int) {
	o, ok := v.(*pickledObject)
	if !ok || depth > 32 || w.left <= 0 {
		return
	}
	w.left--
	state, ok := o.state.(*pickledDict)
	if !ok {
		return
	}
	for _, key := range []string{"_parameters", "_buffers"} {
		v, _ := state.get(key)
		if d, ok := v.(*pickledDict); ok && len(d.keys) <= w.left {
			w.left -= len(d.keys)
			w.list = dictTensors(w.list, d, prefix)
		}
	}
	v, _ = state.get("_modules")
	if modules, ok := v.(*pickledDict); ok {
		for i, m := range modules.values {
			if w.left--; w.left <= 0 {
				return
			}
			if name, ok := modules.keys[i].(string); ok && len(prefix)+len(name) < maxName {
				w.walk(m, prefix+name+".", depth+1)
			}
		}
	}
}

// scriptArchitecture is the name of the model that a training script noted:
// "arch" of timm and of PyTorch's examples, args.model of DeiT and MAE.
func scriptArchitecture(d *pickledDict) string {
	if arch, ok := d.get("arch"); ok {
		if name, ok := arch.(string); ok {
			return name
		}
	}
	args, _ := d.get("args")
	if o, ok := args.(*pickledObject); ok {
		args = o.state
	}
	if args, ok := args.(*pickledDict); ok {
		model, _ := args.get("model")
		if name, ok := model.(string); ok {
			return name
		}
	}
	return ""
}

// others says where weights were found and what else there was to choose from.
func others(d *pickledDict, path string) string {
	taken, _, _ := strings.Cut(path, ".")
	var names []string
	for _, key := range wrappers {
		if v, ok := d.find(key); ok && key != taken {
			if tensors, _ := (tensorSearch{d: true}).find(v, 1); tensors != nil {
				names = append(names, key)
			}
		}
	}
	if names == nil {
		return "the file"
	}
	return "the file, which also has " + strings.Join(names, ", ")
}

// listKeys says what there is instead.
func listKeys(d *pickledDict) string {
	if d == nil {
		return "the file holds no dictionary"
	}
	var names []string
	for _, key := range d.keys {
		if name, ok := key.(string); ok {
			names = append(names, strconv.Quote(name[:min(len(name), 40)]))
		}
	}
	if names == nil {
		return "the dictionary is empty"
	}
	slices.Sort(names)
	return "the file has " + strings.Join(slices.Compact(names)[:min(len(names), 8)], ", ")
}
