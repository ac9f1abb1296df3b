package quant

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// maxShards is more than the largest models have.
const maxShards = 1000

// shardIndex is the file NAME.index.json that transformers writes beside the
// shards of a model. Each tensor stands in one of them.
type shardIndex struct {
	WeightMap map[string]string `json:"weight_map"` // file by tensor
}

// openShards opens all the files that an index names, next to it.
func openShards(path string, text []byte, key string) (_ *source, err error) {
	if len(text) > maxSidecar {
		return nil, fmt.Errorf("an index of %d bytes; want %d at most", len(text), maxSidecar)
	}
	var index shardIndex
	if err := unmarshalJSON(text, &index); err != nil {
		return nil, fmt.Errorf("neither weights nor the index of some: %w", err)
	}
	if len(index.WeightMap) == 0 {
		return nil, errors.New(`JSON without a "weight_map": no index of weights`)
	}
	names := slices.Compact(slices.Sorted(maps.Values(index.WeightMap)))
	if len(names) > maxShards {
		return nil, fmt.Errorf("%d shards; want %d at most", len(names), maxShards)
	}
	all := newSource("")
	defer func() {
		if err != nil {
			all.close()
		}
	}()
	for _, name := range names {
		if name != filepath.Base(name) || strings.ContainsAny(name, `/\`) || !fs.ValidPath(name) || strings.HasSuffix(name, ".json") {
			return nil, fmt.Errorf("shard %q is no file beside the index", name)
		}
		if err := all.addShard(filepath.Join(filepath.Dir(path), name), name, key, index); err != nil {
			return nil, err
		}
	}
	for tensor, name := range index.WeightMap {
		if _, ok := all.index[tensor]; !ok {
			return nil, fmt.Errorf("shard %q lacks tensor %q, which the index has there", name, tensor)
		}
	}
	all.format = "sharded " + all.format
	all.note("shards", fmt.Sprint(len(names)), filepath.Base(path))
	return all, nil
}

func (s *source) addShard(path, name, key string, index shardIndex) error {
	data, unmap, err := mapFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("shard %q is missing", name)
	}
	if err != nil {
		return fmt.Errorf("shard %q: %w", name, err)
	}
	s.files, s.paths, s.unmap = append(s.files, data), append(s.paths, path), append(s.unmap, unmap)
	shard, err := readSource("", data, key)
	if err != nil {
		return fmt.Errorf("shard %q: %w", name, err)
	}
	s.format, s.size = shard.format, s.size+shard.size
	for _, a := range shard.arrays {
		if index.WeightMap[a.name] != name {
			return fmt.Errorf("shard %q: tensor %q is not there by the index", name, a.name)
		}
		if err := s.add(a); err != nil {
			return err
		}
	}
	return nil
}
