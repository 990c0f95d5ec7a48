package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// checkPrivate refuses a directory in which others than root could put a file or a link of their own: what the daemon
// keeps there under fixed names would then be read, replaced or written through a link by them. What does not exist yet,
// the daemon makes itself, for root alone.
func checkPrivate(purpose, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("cannot look at the %s directory: %w", purpose, err)
	}

	if whose := writableBy(info, false); whose != "" {
		return fmt.Errorf("cannot use %q as the %s directory: it %s, and nobody but root may write there: chown root:root %[1]s, chmod 700 %[1]s "+
			"(of a file system in memory: mount it with mode=0700)", path, purpose, whose)
	}

	return nil
}

// warnOfOthers tells of directories which others than root can change, or replace by way of a directory above: whoever
// writes there is root on this host. It is a warning, because a host whose image was built carelessly must come up too.
func (d *daemon) warnOfOthers() {
	directories := []struct{ purpose, path string }{
		{"run", d.options.RunDir}, {"state", d.options.StateDir},
		{"services", d.options.ServicesDir}, {"rootfs", d.options.RootfsDir}, {"configuration", d.options.ConfigDir},
	}

	if len(d.options.Listen) > 0 {
		directories = append(directories, struct{ purpose, path string }{"credentials", d.options.CredentialsDir})
	}

	for _, directory := range directories {
		whose, err := openTo(directory.path)
		if err != nil || whose == "" {
			continue // what cannot be looked at is reported by who needs it
		}

		d.console.log.Warn().Msgf("others than root decide what is in the %s directory %q: %s", directory.purpose, directory.path, whose)
	}
}

// openTo says who but root may change what is at a path, or nothing where nobody may.
func openTo(path string) (string, error) {
	resolved, err := resolve(path)
	if err != nil {
		return "", err
	}

	for directory := resolved; ; directory = filepath.Dir(directory) {
		info, err := os.Stat(directory)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}

		if err == nil {
			if whose := writableBy(info, directory != resolved); whose != "" {
				return fmt.Sprintf("%q %s", directory, whose), nil
			}
		}

		if directory == filepath.Dir(directory) {
			return "", nil
		}
	}
}

// resolve follows the links in that part of a path which exists.
func resolve(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
		return resolved, err
	}

	parent, err := resolve(filepath.Dir(path))

	return filepath.Join(parent, filepath.Base(path)), err
}

// writableBy says who but root may write to a directory. In one that is sticky others may make what is new, and leave
// alone what is root's.
func writableBy(info fs.FileInfo, stickyIsEnough bool) string {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}

	var whose []string

	if owner.Uid != 0 {
		whose = append(whose, fmt.Sprintf("belongs to user %d", owner.Uid))
	}

	if sticky := stickyIsEnough && info.Mode()&fs.ModeSticky != 0; !sticky {
		if info.Mode()&0o020 != 0 && owner.Gid != 0 {
			whose = append(whose, fmt.Sprintf("may be written by group %d", owner.Gid))
		}

		if info.Mode()&0o002 != 0 {
			whose = append(whose, "may be written by everybody")
		}
	}

	return strings.Join(whose, " and ")
}
