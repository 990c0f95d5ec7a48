package condition

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func address(text string, change func(*Address)) AddressesFact {
	one := Address{Interface: "eth0", InterfaceUp: true, Address: netip.MustParseAddr(text)}
	if change != nil {
		change(&one)
	}

	return AddressesFact{Addresses: []Address{one}}
}

func etc(hosts, resolv FileFact) FilesFact {
	return FilesFact{Files: map[string]FileFact{"/etc/hosts": hosts, "/etc/resolv.conf": resolv}}
}

func TestMet(t *testing.T) {
	var (
		path        = Condition{Kind: Path, Name: "/dev/zfs"}
		environment = Condition{Kind: EnvironmentFile, Name: "/etc/env"}
		addresses   = Condition{Kind: Network, Name: Addresses}
		routes      = Condition{Kind: Network, Name: Connectivity}
		hostname    = Condition{Kind: Network, Name: Hostname}
		etcFiles    = Condition{Kind: Network, Name: EtcFiles}
		containerd  = Condition{Kind: Service, Name: "containerd"}
		clock       = Condition{Kind: Time}
		nut         = Condition{Kind: Configuration, Name: "nut"}
		filled      = FileFact{Exists: true}
		empty       = FileFact{Exists: true, Empty: true}
	)

	for name, test := range map[string]struct {
		condition Condition
		fact      Fact
		want      bool
	}{
		"path exists":                {path, filled, true},
		"path exists, empty":         {path, empty, true},
		"path does not exist":        {path, FileFact{}, false},
		"environment file exists":    {environment, filled, true},
		"environment file missing":   {environment, FileFact{}, false},
		"service up":                 {containerd, ServiceFact{Registered: true, Up: true}, true},
		"service not up":             {containerd, ServiceFact{Registered: true}, false},
		"service unknown":            {containerd, ServiceFact{Up: true}, false},
		"route":                      {routes, RoutesFact{Default: true}, true},
		"no route":                   {routes, RoutesFact{}, false},
		"clock":                      {clock, TimeFact{Synchronized: true}, true},
		"no clock":                   {clock, TimeFact{}, false},
		"configuration":              {nut, ConfigurationFact{Exists: true}, true},
		"no configuration":           {nut, ConfigurationFact{}, false},
		"host name":                  {hostname, HostnameFact{Hostname: "node-1"}, true},
		"host name empty":            {hostname, HostnameFact{}, false},
		"host name none":             {hostname, HostnameFact{Hostname: "(none)"}, false},
		"host name localhost":        {hostname, HostnameFact{Hostname: "localhost"}, false},
		"host name begins localhost": {hostname, HostnameFact{Hostname: "localhost-2"}, true},
		"etc files":                  {etcFiles, etc(filled, filled), true},
		"etc files, one empty":       {etcFiles, etc(filled, empty), false},
		"etc files, one missing":     {etcFiles, etc(FileFact{}, filled), false},
		"no etc files":               {etcFiles, FilesFact{}, false},
		"no addresses":               {addresses, AddressesFact{}, false},
		"IPv4":                       {addresses, address("192.0.2.1", nil), true},
		"IPv4 private":               {addresses, address("10.0.0.1", nil), true},
		"IPv4 link-local":            {addresses, address("169.254.0.1", nil), false},
		"IPv4 loopback on a link":    {addresses, address("127.0.0.2", nil), false},
		"IPv6":                       {addresses, address("2001:db8::1", nil), true},
		"IPv6 unique local":          {addresses, address("fd00::1", nil), true},
		"IPv6 link-local":            {addresses, address("fe80::1", nil), false},
		"IPv6 loopback":              {addresses, address("::1", nil), false},
		"unspecified":                {addresses, address("::", nil), false},
		"multicast":                  {addresses, address("ff0e::1", nil), false},
		"mapped loopback":            {addresses, address("::ffff:127.0.0.1", nil), false},
		"invalid":                    {addresses, address("::", func(a *Address) { a.Address = netip.Addr{} }), false},
		"link down":                  {addresses, address("192.0.2.1", func(a *Address) { a.InterfaceUp = false }), false},
		"on the loopback interface":  {addresses, address("192.0.2.1", func(a *Address) { a.Loopback = true }), false},
		"tentative":                  {addresses, address("2001:db8::1", func(a *Address) { a.Tentative = true }), false},
		"no fact":                    {addresses, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.condition.Met(test.fact); got != test.want {
				t.Errorf("%s under %+v: met %t, want %t", test.condition.Key(), test.fact, got, test.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	for want, test := range map[string]struct {
		condition Condition
		fact      Fact
	}{
		`service "containerd" to be "up"`: {Condition{Kind: Service, Name: "containerd"}, ServiceFact{Registered: true}},
		`service "x" to be "up"`:          {Condition{Kind: Service, Name: "x"}, nil},
		`service "x" to be registered`:    {Condition{Kind: Service, Name: "x"}, ServiceFact{}},
		`file "/dev/zfs" to exist`:        {Condition{Kind: Path, Name: "/dev/zfs"}, FileFact{}},
		`file "/etc/env" to exist`:        {Condition{Kind: EnvironmentFile, Name: "/etc/env"}, nil},
		`network`:                         {Condition{Kind: Network, Name: Hostname}, nil},
		`time sync`:                       {Condition{Kind: Time}, nil},
		`extension service config`:        {Condition{Kind: Configuration, Name: "nut"}, nil},
		`moon:full`:                       {Condition{Kind: "moon", Name: "full"}, nil},
	} {
		if got := test.condition.Text(test.fact); got != want {
			t.Errorf("%s: text %q, want %q", test.condition.Key(), got, want)
		}
	}
}

var anyAddress = rapid.Custom(func(t *rapid.T) Address {
	family := rapid.SampledFrom([]int{4, 16}).Draw(t, "family")
	raw := rapid.SliceOfN(rapid.Byte(), family, family).Draw(t, "address")
	ip, _ := netip.AddrFromSlice(raw)
	flag := rapid.Bool()

	return Address{
		Interface: "eth0", InterfaceUp: flag.Draw(t, "up"), Loopback: flag.Draw(t, "loopback"),
		Tentative: flag.Draw(t, "tentative"), Address: ip,
	}
})

// More addresses never make a network less ready, their order is nothing, and each one counts or does not by itself.
func TestAddressesCountOneByOne(t *testing.T) {
	met := func(addresses ...Address) bool {
		return Condition{Kind: Network, Name: Addresses}.Met(AddressesFact{Addresses: addresses})
	}

	rapid.Check(t, func(t *rapid.T) {
		addresses := rapid.SliceOf(anyAddress).Draw(t, "addresses")
		want := false

		for _, one := range addresses {
			alone := met(one)
			want = want || alone

			if alone && (!one.InterfaceUp || one.Loopback || one.Tentative || !one.Address.IsGlobalUnicast()) {
				t.Fatalf("%+v counts", one)
			}
		}

		if met(addresses...) != want || met(rapid.Permutation(addresses).Draw(t, "order")...) != want {
			t.Fatalf("want %t of %+v", want, addresses)
		}
	})
}

// A fact satisfies conditions of its own kind only.
func TestFactsOfOtherKindsSatisfyNothing(t *testing.T) {
	yes := map[Condition]Fact{
		{Kind: Service, Name: "x"}:            ServiceFact{Registered: true, Up: true},
		{Kind: Path, Name: "/x"}:              FileFact{Exists: true},
		{Kind: Network, Name: Addresses}:      address("192.0.2.1", nil),
		{Kind: Network, Name: Connectivity}:   RoutesFact{Default: true},
		{Kind: Network, Name: Hostname}:       HostnameFact{Hostname: "node"},
		{Kind: Network, Name: EtcFiles}:       etc(FileFact{Exists: true}, FileFact{Exists: true}),
		{Kind: Time}:                          TimeFact{Synchronized: true},
		{Kind: Configuration, Name: "x"}:      ConfigurationFact{Exists: true},
		{Kind: "moon", Name: "full"}:          nil,
		{Kind: Network, Name: "carrier pige"}: nil,
	}

	for condition := range yes {
		for other, fact := range yes {
			if got, want := condition.Met(fact), condition == other && fact != nil; got != want {
				t.Errorf("%s by the fact of %s: %t", condition.Key(), other.Key(), got)
			}
		}
	}
}
