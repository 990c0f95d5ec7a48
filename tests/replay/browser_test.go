package replay

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long a test with a browser may take on a machine that has no time for it.
const patience = 8 * time.Minute

// browser starts a headless Chromium that has never been used and asks no network. Without one the test is skipped, but
// fails in continuous integration.
func browser(t testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()

	path, err := exec.LookPath("chromium")
	if err != nil {
		path, err = exec.LookPath("chromium-browser")
	}

	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed: .ci/deps test installs it")
		}

		t.Skip("SKIPPED: chromium is not installed, so nobody has looked at the page; .ci/deps test installs it")
	}

	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}

	options = append(append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.WSURLReadTimeout(patience), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"),
	), options...)

	ctx, end := context.WithTimeout(context.Background(), patience)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	ctx, closing := chromedp.NewContext(ctx)

	t.Cleanup(func() {
		closing()
		stop()
		end()

		if err := os.RemoveAll(profile); err != nil {
			t.Error(err)
		}
	})

	return ctx
}

// show writes a page and opens it, until it is ready.
func show(t testing.TB, ctx context.Context, page []byte, fragment string) {
	t.Helper()

	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}

	if err := chromedp.Do(ctx, chromedp.Navigate("file://"+path+fragment), chromedp.WaitReady(chromedp.CSS("html[data-ready]"))); err != nil {
		t.Fatal(err)
	}

	if said := ask[string](t, ctx, "document.documentElement.dataset.ready + document.getElementById('facts').textContent"); said[:3] != "yes" {
		t.Fatal(said)
	}
}

// ask evaluates an expression in the page.
func ask[T any](t testing.TB, ctx context.Context, expression string) T {
	t.Helper()

	answer, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%v in %s", err, expression)
	}

	return answer
}
