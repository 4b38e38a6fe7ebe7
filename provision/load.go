package provision

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// LoadFile reads the link file at path, or standard input for "-". Files that it names (CA,
// certificates) are looked for beside it.
func LoadFile(path string) (*File, error) {
	if path == "-" {
		return Load(os.Stdin, "stdin")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open link file: %w", err)
	}
	defer f.Close()
	file, err := Load(f, path)
	if err != nil {
		return nil, err
	}
	beside(file, filepath.Dir(path))
	for i := range file.Links {
		file.Links[i].File = path
	}
	return file, nil
}

// Load reads a link file. The name stands in error messages. A wrong file gives a *FileError that holds
// every problem; any other error means that the file could not be read at all.
func Load(r io.Reader, name string) (*File, error) {
	d, err := parse(r, name)
	if err != nil {
		return nil, err
	}
	var file File
	if d.root != nil && !d.broken {
		if err := d.validate(); err != nil {
			return nil, fmt.Errorf("check link file %s: %w", name, err)
		}
		// What the decoder could not take stands among the schema's problems already: it fills in
		// the rest, so that the rules can be checked on what there is.
		decodeErr := d.root.Decode(&file)
		d.checkRules(&file)
		if decodeErr != nil && len(d.problems) == 0 {
			d.addYAMLError(decodeErr)
		}
	}
	if len(d.problems) > 0 {
		return nil, &FileError{Name: name, Problems: sortProblems(d.problems)}
	}
	for i := range file.Links {
		file.Links[i].fillIn()
		file.Links[i].Canary = file.Links[i].Canary.over(file.Canary)
	}
	file.source = d
	return &file, nil
}

// fillIn writes out what one field says about another.
func (l *Link) fillIn() {
	p := &l.Provider
	if p.ServiceName == "" && p.ServiceID != "" {
		p.ServiceName = serviceNameOf(l.ProviderRegion(), p.ServiceID)
	}
	if p.ServiceID == "" && p.ServiceName != "" {
		p.ServiceID = serviceIDOf(p.ServiceName)
	}
	if p.Access == "" {
		p.Access = AccessAPI
	}
	if l.Consumer.Access == "" {
		l.Consumer.Access = AccessAPI
	}
}

func beside(f *File, dir string) {
	for i := range f.Links {
		for j := range f.Links[i].Ports {
			t := f.Links[i].Ports[j].TLS
			if t == nil {
				continue
			}
			for _, p := range []*string{&t.CA, &t.ClientCert, &t.ClientKey} {
				if *p != "" && !filepath.IsAbs(*p) {
					*p = filepath.Join(dir, *p)
				}
			}
		}
	}
}
