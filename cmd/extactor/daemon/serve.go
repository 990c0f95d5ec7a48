package daemon

import (
	"context"
	"net"
	"path/filepath"
	"time"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/config"
	"github.com/extactor/extactor/kernel"
	"github.com/extactor/extactor/oci/logs"
)

// listenPause is how often it is tried again to make the socket where the run directory is full.
const listenPause = time.Second

func (d *daemon) serve() error {
	path := filepath.Join(d.options.RunDir, api.SocketName)

	listener, err := api.Listen(path)

	switch {
	case err == nil:
	case noRoom(err) && !d.options.Private:
		d.console.log.Error().Err(err).Msg("no command reaches the daemon until there is room; services go on")
	default:
		return err
	}

	server := api.New(api.Options{
		Services: d.system, Journal: apiJournal{d.journal}, Past: d.journal, Keeper: apiKeeper{d.journal}, Logs: apiLogs{logs.In(d.options.RunDir)},
		Configs: apiConfigs{store: config.Store{Dir: d.options.ConfigDir}, reloads: d.reloads},
		Files:   apiFiles{d.reloads}, Commands: apiCommands{d.runtime}, Meters: apiMeters{d.cgroupParent()},
		Tasks: apiContainers{d.runtime}, Machine: kernel.New(),
		Now: kernelClock{}.Now, BootID: d.bootID, Version: d.options.Version,
		Host: api.Host{Instance: d.instance.id, Started: d.started, Places: d.places},
	})

	d.run("the API has ended", func(ctx context.Context) error {
		if listener == nil {
			var err error
			if listener, err = listenOnceThereIsRoom(ctx, path); err != nil || listener == nil {
				return err
			}
		}

		return server.Serve(ctx, listener)
	})

	d.run("the API on the network has ended", func(ctx context.Context) error { return d.network.serve(ctx, server) })

	return nil
}

// listenOnceThereIsRoom makes the socket as soon as it can be made; it returns none where the context ends before.
func listenOnceThereIsRoom(ctx context.Context, path string) (net.Listener, error) {
	again := time.NewTicker(listenPause)
	defer again.Stop()

	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, nil //nolint:nilnil // nobody waits for it any more
		}

		if listener, err := api.Listen(path); err == nil || !noRoom(err) {
			return listener, err
		}
	}
}

// run has something served until the daemon is taken apart.
func (d *daemon) run(failure string, serve func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		if err := serve(ctx); err != nil {
			d.console.log.Error().Err(err).Msg(failure)
		}
	}()

	d.onClose(func() {
		cancel()
		<-ended
	})
}
