package spec

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// What the values of our additions look like, for the parser and for the JSON Schema.
const (
	assignmentPattern = `^[^=]+=`
	durationPattern   = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	memoryPattern     = `^([0-9]+)(k|M|G|Ki|Mi|Gi)?$`
	cpuPattern        = `^([0-9]*\.?[0-9]+|[0-9]+m)$`
	addressPattern    = `^(\[[^\]\s]+\]|[^:/\s]+):[0-9]+$`
	urlPattern        = `^https?://[^/\s]+`
	unitPattern       = `^[^/\s]+\.(service|socket|target|device|mount|automount|swap|timer|path|slice|scope)$`
)

// Bounds of our additions.
const (
	maxFailures = 1_000_000
	minMemory   = 1 << 20
	minCPU      = 0.01  // below, the kernel refuses the quota
	maxCPU      = 10000 // no machine has more
	maxPIDs     = 1 << 22
	maxSocket   = 107 // bytes of the path of a unix socket
)

var (
	durationExpression = regexp.MustCompile(durationPattern)
	memoryExpression   = regexp.MustCompile(memoryPattern)
	cpuExpression      = regexp.MustCompile(cpuPattern)
	addressExpression  = regexp.MustCompile(addressPattern)
	unitExpression     = regexp.MustCompile(unitPattern)

	// signalPattern is what the JSON Schema says of the names that signalName knows.
	signalPattern = `^((SIG)?(` + strings.Join(signals[1:], "|") + `|RTMIN(\+[0-9]+)?|RTMAX(-[0-9]+)?)|[0-9]+)$`

	healthFailures   = []HealthFailure{HealthFailureNone, HealthFailureRestart}
	configChanges    = []ConfigChange{ConfigRestarts, ConfigSignals, ConfigIgnored}
	dependencyUntils = []DependencyUntil{UntilUp, UntilCompleted}
	timeoutActions   = []TimeoutAction{TimeoutWaits, TimeoutSkips, TimeoutFails}
)

func validStopSignal(text string) string {
	if name, ok := signalName(text); !ok || name == "SIGSTOP" {
		return fmt.Sprintf("%s is no signal that ends a program: allowed is for example SIGTERM, TERM or 15%s", quote(text), meantSignal(text))
	}
	return ""
}

func validConfigSignal(text string) string {
	if name, ok := signalName(text); !ok || name == "SIGSTOP" || name == "SIGKILL" {
		return fmt.Sprintf("%s is no signal that a program can handle: allowed is for example SIGHUP, USR1 or 1%s", quote(text), meantSignal(text))
	}
	return ""
}

// validDelay follows the name of the field in a message.
func validDelay(text string) string {
	if _, err := time.ParseDuration(text); err != nil || !durationExpression.MatchString(text) {
		return fmt.Sprintf("%s must be a duration with its unit, such as 30s or 1m30s", quote(text))
	}
	return ""
}

// validDuration follows the name of the field in a message.
func validDuration(text string) string {
	if duration, err := time.ParseDuration(text); validDelay(text) != "" || err != nil || duration <= 0 {
		return fmt.Sprintf("%s must be a duration above zero with its unit, such as 30s or 1m30s", quote(text))
	}
	return ""
}

func validURL(text string) string {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "" {
		return fmt.Sprintf("the URL %s is not allowed: it begins with http:// or https:// and a host, such as http://127.0.0.1:80/healthz",
			quote(text))
	}
	return ""
}

func validAddress(text string) string {
	if _, port, err := net.SplitHostPort(text); err == nil && addressExpression.MatchString(text) {
		if number, err := strconv.ParseUint(port, 10, 16); err == nil && number > 0 {
			return ""
		}
	}
	return fmt.Sprintf("the address %s is not allowed: it is a host and a port from 1 to 65535, such as 127.0.0.1:80 or [::1]:80",
		quote(text))
}

func validSocket(text string) string {
	if wrong := absolutePath(text); wrong != "" || len(text) <= maxSocket {
		return wrong
	}
	return fmt.Sprintf("the path %s is too long for a unix socket: at most %d bytes", quote(text), maxSocket)
}
