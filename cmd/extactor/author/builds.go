package author

import (
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/extactor/extactor/condition/watch"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/spec"
)

// Builds notice that the program of a service was built anew, by notification: once for each build, when its file is
// complete.
type Builds struct {
	watchers *watch.Watchers
	rootfs   string
	built    func(id string)

	mutex    sync.Mutex
	followed map[string]*program
}

// NewBuilds follows programs in the root file systems of a directory, by the names of services. built is given the id of
// each service whose program is another one; it must not block.
func NewBuilds(watchers *watch.Watchers, rootfs string, built func(id string)) *Builds {
	return &Builds{watchers: watchers, rootfs: rootfs, built: built, followed: make(map[string]*program)}
}

// Follow follows the programs of exactly these services.
func (b *Builds) Follow(services []*spec.Service) {
	b.mutex.Lock()
	defer b.mutex.Unlock()

	wanted := make(map[string]*spec.Service, len(services))
	for _, service := range services {
		wanted[service.ID()] = service
	}

	for id, followed := range b.followed {
		if service := wanted[id]; service == nil || service.Container.Entrypoint != followed.entrypoint {
			followed.stop()
			delete(b.followed, id)
		}
	}

	for id, service := range wanted {
		if b.followed[id] == nil {
			b.followed[id] = b.follow(id, service)
		}
	}
}

// Close ends it; nothing is told any more.
func (b *Builds) Close() { b.Follow(nil) }

func (b *Builds) follow(id string, service *spec.Service) *program {
	followed := &program{rootfs: b.rootfs, name: service.Name, entrypoint: service.Container.Entrypoint}
	followed.last = followed.identity()

	// What is changed from here on is told, and compared with what was there before.
	followed.stop = b.watchers.Directory(filepath.Dir(followed.path()), func() {
		if followed.replaced() {
			b.built(id)
		}
	})

	return followed
}

// program is the file that a service's entrypoint names.
type program struct {
	rootfs, name, entrypoint string

	stop func()
	last string // identity of the last one that was complete; used by one call of replaced at a time
}

func (p *program) path() string { return filepath.Join(p.rootfs, p.name, p.entrypoint) }

// identity is "" where there is no such file.
func (p *program) identity() string {
	identity, err := oci.RootfsIdentity(p.rootfs, p.name, p.entrypoint)
	if err != nil {
		return ""
	}

	_, file, _ := strings.Cut(identity, "/") // the other half is the directory, in which files come and go during a build

	return file
}

// replaced tells whether there is another program than before. One that is still being written is none yet: the end of
// that is a change too.
func (p *program) replaced() bool {
	now := p.identity()
	if now == "" || now == p.last || beingWritten(p.path()) {
		return false
	}

	p.last = now

	return true
}

// beingWritten tells whether somebody has the file open for writing: then no other process gets a lease for reading.
func beingWritten(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()

	_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)

	return err == unix.EAGAIN // a lease that was given ends with the descriptor
}
