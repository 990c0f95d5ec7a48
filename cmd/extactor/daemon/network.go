package daemon

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/credentials"
)

// listen opens the addresses for the network, before anything is started: what keeps them from being opened is a mistake
// in the daemon's command line, and must be seen at once.
func (d *daemon) listen() error {
	if len(d.options.Listen) == 0 {
		return nil
	}

	server, err := credentials.OpenServer(d.options.CredentialsDir, func(err error) { d.console.log.Error().Err(err).Msg("credentials of the API on the network") })
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", strings.Join(d.options.Listen, ", "), err)
	}

	d.network = api.Network{
		TLS:    server.TLSConfig(),
		Report: func(err error) { d.console.log.Warn().Err(err).Msg("API on the network") },
	}

	for _, address := range d.options.Listen {
		listener, err := api.ListenNetwork(address)
		if err != nil {
			return err
		}

		d.onClose(func() { _ = listener.Close() }) // where it is not served yet
		d.network.Listeners = append(d.network.Listeners, listener)
	}

	d.console.log.Info().Strs("addresses", d.addresses()).Msg("the API listens on the network")

	return nil
}

// addresses are those that the network is served at, with the ports that the kernel has chosen.
func (d *daemon) addresses() []string {
	var addresses []string
	for _, listener := range d.network.Listeners {
		addresses = append(addresses, listener.Addr().String())
	}

	return addresses
}
