package condition

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeys(t *testing.T) {
	for key, want := range map[string]Condition{
		"service:containerd":    {Kind: Service, Name: "containerd"},
		"path:/dev/zfs":         {Kind: Path, Name: "/dev/zfs"},
		"path:/dev/a:b":         {Kind: Path, Name: "/dev/a:b"},
		"environmentFile:/e":    {Kind: EnvironmentFile, Name: "/e"},
		"network:addresses":     {Kind: Network, Name: Addresses},
		"network:connectivity":  {Kind: Network, Name: Connectivity},
		"network:hostname":      {Kind: Network, Name: Hostname},
		"network:etcfiles":      {Kind: Network, Name: EtcFiles},
		"time":                  {Kind: Time},
		"configuration:nut-ups": {Kind: Configuration, Name: "nut-ups"},
	} {
		got, err := ParseKey(key)
		if err != nil || got != want || got.Key() != key {
			t.Errorf("ParseKey(%q) = %+v, %v, with key %q", key, got, err, got.Key())
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	for key, because := range map[string]string{
		"":             "unknown kind",
		"moon":         "unknown kind",
		"path":         "a name must follow",
		"path:":        "a name must follow",
		"service:":     "a name must follow",
		"network":      "network check is one of",
		"network:wifi": "network check is one of",
		"time:noon":    "time takes no name",
	} {
		got, err := ParseKey(key)
		if err == nil || !strings.Contains(err.Error(), because) || got != (Condition{}) {
			t.Errorf("ParseKey(%q) = %+v, %v; want an error with %q", key, got, err, because)
		}
	}
}

// What has been parsed renders as what can be parsed to the same.
func TestKeyAndParseKeyAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{Service, Path, EnvironmentFile, Network, Time, Configuration, "moon"}).Draw(t, "kind")
		name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{Addresses, EtcFiles, ""})).Draw(t, "name")
		key := string(kind) + rapid.SampledFrom([]string{":", ""}).Draw(t, "colon") + name

		parsed, err := ParseKey(key)
		if err != nil {
			return
		}

		again, err := ParseKey(parsed.Key())
		if err != nil || again != parsed {
			t.Fatalf("%q parses to %+v, whose key %q parses to %+v, %v", key, parsed, parsed.Key(), again, err)
		}
	})
}
