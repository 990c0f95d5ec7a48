package server

import (
	"net"
	"os"
	"path/filepath"
)

// RemoveSockets removes the sockets of the shims of a run directory, after a server that was killed did not.
func RemoveSockets(runDir string) { removeSockets(socketDir(runDir)) }

// removeSockets removes the directory of the shims' sockets, and the socket that a shim left which was killed. Where a
// shim lives on, its socket stays, and the directory with it.
func removeSockets(directory string) {
	entries, _ := os.ReadDir(directory)
	for _, entry := range entries {
		path := filepath.Join(directory, entry.Name())

		connection, err := net.Dial("unix", path)
		if err == nil {
			connection.Close()

			continue
		}

		_ = os.Remove(path)
	}

	_ = os.Remove(directory)
}
