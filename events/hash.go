package events

import "strings"

// TaskHash identifies what runs in a container by the hashes of the container section of the service file and, where
// there is configuration, of its files and of its environment: "v1:<hash>" or "v1:<hash>/<files>/<environment>". It is a
// label of the container.
func TaskHash(lifecycle *Lifecycle) string {
	if lifecycle.GetConfigFilesHash() == "" && lifecycle.GetConfigEnvironmentHash() == "" {
		return lifecycle.GetSpecHash()
	}

	return strings.Join([]string{lifecycle.GetSpecHash(), lifecycle.GetConfigFilesHash(), lifecycle.GetConfigEnvironmentHash()}, "/")
}

// UnknownFiles is the hash of a container of whose configuration files nobody knows which ones it has. It equals no hash
// of what should run.
func UnknownFiles(hash string) string {
	container, _, environment := SplitTaskHash(hash)

	return strings.Join([]string{container, "unknown", environment}, "/")
}

// Difference says what would have to change in a container.
type Difference int

// The differences, the weightiest last.
const (
	Same Difference = iota
	FilesDiffer
	EnvironmentDiffers
	ContainerDiffers
)

// Compare tells the weightiest difference between two task hashes.
func Compare(applied, wanted string) Difference {
	old, now := parts(applied), parts(wanted)

	switch {
	case old == now:
		return Same
	case old[0] != now[0]:
		return ContainerDiffers
	case old[2] != now[2]:
		return EnvironmentDiffers
	default:
		return FilesDiffer
	}
}

// SplitTaskHash is the reverse of TaskHash.
func SplitTaskHash(hash string) (container, files, environment string) {
	split := parts(hash)

	return split[0], split[1], split[2]
}

func parts(hash string) (parts [3]string) {
	copy(parts[:], strings.SplitN(hash, "/", len(parts)))

	return parts
}
