package spec

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// What is allowed, in the words of the messages.
const (
	nameRule    = "lower-case letters, digits, \"-\" and \"_\""
	restartRule = "always, never or untilSuccess"
)

var (
	namePattern = regexp.MustCompile(`^[-_a-z0-9]+$`)
	// containerIDPattern is what containerd accepts, up to maxContainerID bytes.
	containerIDPattern = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)

	restartPolicies = []RestartPolicy{RestartAlways, RestartNever, RestartUntilSuccess}
	networkChecks   = []string{"addresses", "connectivity", "hostname", "etcfiles"}
	propagations    = []string{
		"private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable",
	}
)

const maxContainerID = 76

func validName(name string) string {
	if namePattern.MatchString(name) {
		return ""
	}
	return fmt.Sprintf("the name %s is not allowed: a name consists of %s", quote(name), nameRule)
}

// containerID is no rule of the reference: such a name is loaded there too, and then refused by containerd.
func containerID(id string) string {
	if len(id) <= maxContainerID && containerIDPattern.MatchString(id) {
		return ""
	}
	return fmt.Sprintf("containerd refuses the container id %s: letters and digits with single %q or %q between them, at most %d",
		quote(id), "-", "_", maxContainerID)
}

// restartPolicy returns the policy whatever the case of its letters, "" for none.
func restartPolicy(text string) RestartPolicy {
	for _, policy := range restartPolicies {
		if strings.EqualFold(text, string(policy)) {
			return policy
		}
	}
	return ""
}

func validRestart(text string) string {
	if restartPolicy(text) != "" {
		return ""
	}
	return fmt.Sprintf("restart is %s: allowed are %s", quote(text), restartRule)
}

func absolutePath(text string) string {
	if path.IsAbs(text) {
		return ""
	}
	return fmt.Sprintf("the path %s must be absolute: it begins with \"/\"", quote(text))
}

func validAssignment(text string) string {
	if name, _, found := strings.Cut(text, "="); found && name != "" {
		return ""
	}
	return fmt.Sprintf("an environment variable is written NAME=value, not %s", quote(text))
}

func validOption(text string) string {
	if text == "" {
		return "a mount option must not be empty"
	}
	return ""
}

func validPropagation(text string) string { return oneOf("rootfsPropagation", text, propagations) }

func validNetwork(text string) string { return oneOf("network check", text, networkChecks) }

func oneOf[T ~string](what, text string, allowed []T) string {
	var names []string
	for _, each := range allowed {
		if text == string(each) {
			return ""
		}
		names = append(names, string(each))
	}
	return fmt.Sprintf("%s %s is unknown: allowed are %s", what, quote(text), strings.Join(names, ", "))
}

// isBind tells whether the mount shows a part of the host.
func (m Mount) isBind() bool {
	return m.Type == "bind" || m.bound()
}

// bound tells whether the options say so: for runc, they alone count.
func (m Mount) bound() bool {
	return slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}
