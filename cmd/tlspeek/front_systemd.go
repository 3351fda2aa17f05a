package main

import (
	"context"
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifySystemd tells systemd that the program accepts clients, and tells it when ctx
// is done that the program ends. Without systemd, or with a unit that is not of
// Type=notify, it does nothing.
func notifySystemd(ctx context.Context, log *slog.Logger) {
	tell := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("telling systemd", "state", state, "error", err)
		}
	}
	tell(daemon.SdNotifyReady)
	context.AfterFunc(ctx, func() { tell(daemon.SdNotifyStopping) })
}
