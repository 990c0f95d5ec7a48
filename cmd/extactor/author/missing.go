package author

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/extactor/extactor/spec"
)

// Missing shows which services have no root file system, and where it should be, once for as long as it is missing.
type Missing struct {
	out    io.Writer
	layout Layout
	said   map[string]bool
}

// NewMissing returns a reporter to a writer.
func NewMissing(out io.Writer, layout Layout) *Missing { return &Missing{out: out, layout: layout} }

// Show is given all services.
func (m *Missing) Show(services []*spec.Service) {
	said := make(map[string]bool)

	for _, service := range services {
		own := filepath.Join(m.layout.Rootfs, service.Name)
		if m.layout.Shared != "" || IsDirectory(own) == nil {
			continue
		}

		if said[service.ID()] = true; m.said[service.ID()] {
			continue
		}

		fmt.Fprintf(m.out, "extactor: %s has no root file system: put the files of its container into %s\n", service.ID(), short(own))

		if m.layout.Rootfs == m.layout.Services {
			fmt.Fprintf(m.out, "  or begin again with them in %s, or with --rootfs\n", short(filepath.Join(m.layout.Services, ownRootfs)))
		}
	}

	m.said = said
}
