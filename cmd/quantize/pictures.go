package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vitedge/quant"
)

// maxPixels bounds what a picture may ask for when decoded.
const maxPixels = 100_000_000

// findPictures lists the JPEG and PNG files of a folder and those below it, in
// the order of their paths relative to it. Folders that are left out have an
// error each: those that cannot be read, and links below the folder, which may
// lead in a circle.
func findPictures(dir string) (names []string, leftOut []error, err error) {
	st, err := os.Stat(dir) // the folder itself may be a link
	if err != nil {
		return nil, nil, err
	}
	if !st.IsDir() {
		return nil, nil, fmt.Errorf("%s: not a folder", dir)
	}
	names, leftOut, err = walkPictures(os.DirFS(dir), dir)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s: no .jpg, .jpeg or .png file in this folder", dir)
	}
	return names, leftOut, err
}

// walkPictures lists the pictures of files, which are those of dir.
func walkPictures(files fs.FS, dir string) (names []string, leftOut []error, err error) {
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		path := filepath.Join(dir, name)
		if err != nil {
			if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
				err = inner.Err // it names the path without dir
			}
			err = fmt.Errorf("%s: %w", path, err)
			if name == "." {
				return err
			}
			leftOut = append(leftOut, err)
			return fs.SkipDir
		}
		if d.Type()&fs.ModeSymlink != 0 {
			if st, err := fs.Stat(files, name); err == nil && st.IsDir() {
				leftOut = append(leftOut, fmt.Errorf("%s: a link to a folder", path))
				return nil
			}
		}
		switch strings.ToLower(filepath.Ext(name)) {
		case ".jpg", ".jpeg", ".png":
			if !d.IsDir() {
				names = append(names, filepath.FromSlash(name))
			}
		}
		return nil
	})
	slices.Sort(names)
	return names, leftOut, err
}

// decodePicture reads a JPEG or PNG file, as a model sees it: without regard
// to orientation tags, as in training.
func decodePicture(path string) (image.Image, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path) // opening a FIFO waits for its writer
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	config, _, err := image.DecodeConfig(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > maxPixels/config.Height {
		return nil, fmt.Errorf("%s: %d x %d pixels; at most %d are decoded", path, config.Width, config.Height, maxPixels)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	img, _, err := image.Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, nil
}

// readClasses reads a csv file with columns "file" and "class", the number of
// the class from 0. Other columns are free.
func readClasses(path string, classes int) (map[string]int, error) {
	text, err := quant.ReadText(path)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(bytes.NewReader(text))
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: the file is empty; want columns %q and %q", path, "file", "class")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file, class := slices.Index(header, "file"), slices.Index(header, "class")
	if file < 0 || class < 0 {
		return nil, fmt.Errorf("%s: columns are %q; want one %q and one %q", path, header, "file", "class")
	}
	known := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return known, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		line, _ := r.FieldPos(class)
		n, err := strconv.Atoi(row[class])
		if err != nil || n < 0 || n >= classes {
			return nil, fmt.Errorf("%s:%d: class is %q; the model's are 0 to %d", path, line, row[class], classes-1)
		}
		if _, ok := known[row[file]]; ok {
			return nil, fmt.Errorf("%s:%d: file %q stands there twice", path, line, row[file])
		}
		known[row[file]] = n
	}
}
