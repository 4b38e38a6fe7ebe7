package network

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// joined is a consumer's network whose one address leads, flow by flow, to a server in a
// provider's network: what a load balancer does.
func joined(t testing.TB) (consumer, provider *Net) {
	t.Helper()
	consumer, provider = newNet(t, clientAddr, serverAddr), newNet(t, clientAddr, serverAddr)
	echo(t, provider, serverPort)
	consumer.Handle(serverAddr, func(ctx context.Context, f *Flow) {
		up, err := provider.Dialer(clientAddr).DialContext(ctx, "tcp", netip.AddrPortFrom(serverAddr, f.Dst.Port()).String())
		if err != nil {
			f.Refuse()
			return
		}
		defer up.Close()
		down, err := f.Accept()
		if err != nil {
			return
		}
		defer down.Close()
		var wg sync.WaitGroup
		copyAndClose := func(dst, src net.Conn) {
			_, _ = io.Copy(dst, src)
			_ = dst.(interface{ CloseWrite() error }).CloseWrite()
		}
		wg.Go(func() { copyAndClose(up, down) })
		wg.Go(func() { copyAndClose(down, up) })
		wg.Wait()
	})
	return consumer, provider
}

func TestFlowsJoinNetworks(t *testing.T) {
	t.Parallel()
	consumer, _ := joined(t)
	d := consumer.Dialer(clientAddr)
	c, err := d.DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	roundTrip(t, c, "through")
	// The handshake waits for the target's, so a closed target port refuses the client.
	if c, err := d.DialContext(within(t, patience), "tcp", "10.0.1.100:81"); err == nil {
		c.Close()
		t.Error("connected to a closed target")
	}
}

func TestFlowIsDecidedOnce(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	again := make(chan error, 1)
	n.Handle(serverAddr, func(_ context.Context, f *Flow) {
		c, err := f.Accept()
		if err != nil {
			again <- nil
			return
		}
		f.Refuse()
		f.Ignore()
		_, err = f.Accept()
		again <- err
		c.Close()
	})
	c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-again; err == nil {
		t.Error("a second Accept succeeded")
	}
	n.Unhandle(serverAddr)
	if c, err := n.Dialer(clientAddr).DialContext(within(t, patience), "tcp", serverPort.String()); err == nil {
		c.Close()
		t.Error("connected without a handler")
	}
}

func TestCloseEndsHandlers(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	entered, left := make(chan struct{}), make(chan struct{})
	n.Handle(serverAddr, func(ctx context.Context, f *Flow) {
		close(entered)
		<-ctx.Done() // a target that never answers
		f.Ignore()
		close(left)
	})
	dialled := make(chan error, 1)
	go func() {
		_, err := n.Dialer(clientAddr).DialContext(context.Background(), "tcp", serverPort.String())
		dialled <- err
	}()
	<-entered
	n.Close()
	select {
	case <-left:
	default:
		t.Error("Close did not wait for the handler")
	}
	if err := <-dialled; err == nil {
		t.Error("the dial succeeded")
	}
}

// Many clients dial, talk and go while policies and addresses change; then everything is closed
// under their feet. Nothing may hang, race or be left.
func TestCloseUnderLoad(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	for range 3 {
		consumer, provider := joined(t)
		d := consumer.Dialer(clientAddr)
		var ok, bad atomic.Int64
		stop := make(chan struct{})
		enough := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
					c, err := d.DialContext(ctx, "tcp", serverPort.String())
					cancel()
					if err == nil {
						_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
						_, _ = c.Write([]byte("x"))
						_, err = c.Read(make([]byte, 1))
						c.Close()
					}
					if err != nil {
						bad.Add(1)
					} else if ok.Add(1) == 50 {
						once.Do(func() { close(enough) })
					}
				}
			})
		}
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
				}
				switch i % 4 {
				case 0:
					consumer.SetPolicy(func(Packet) (Verdict, time.Duration) { return Pass, time.Millisecond })
				case 1:
					consumer.DelAddr(serverAddr)
					_ = consumer.AddAddr(serverAddr)
				case 2:
					provider.SetPolicy(onlySYN(RejectICMP))
				case 3:
					consumer.SetPolicy(nil)
					provider.SetPolicy(nil)
				}
			}
		})
		select {
		case <-enough:
		case <-time.After(patience):
			t.Errorf("only %d exchanges succeeded, %d failed", ok.Load(), bad.Load())
		}
		CloseAll(consumer, provider)
		close(stop)
		wg.Wait()
	}
	goleak.VerifyNone(t, ignore)
}

// More flows than there is room in TIME_WAIT for random ports to be safe: none may meet an old one.
func TestManyShortFlows(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	n.Handle(serverAddr, func(_ context.Context, f *Flow) {
		if c, err := f.Accept(); err == nil {
			c.Close() // the server closes first and keeps the TIME_WAIT
		}
	})
	d := n.Dialer(clientAddr)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				c, err := d.DialContext(within(t, patience), "tcp", serverPort.String())
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.ReadAll(c)
				c.Close()
			}
		})
	}
	wg.Wait()
}

func TestHTTPOverTheNetwork(t *testing.T) {
	t.Parallel()
	n := newNet(t, clientAddr, serverAddr)
	l, err := n.Listen(netip.AddrPortFrom(serverAddr, 443))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", r.RemoteAddr)
	}))
	_ = s.Listener.Close()
	s.Listener = l
	s.StartTLS()
	defer s.Close()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return n.Dialer(clientAddr).DialContext(ctx, network, l.Addr().String())
		},
		TLSClientConfig: &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
	}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(within(t, patience), http.MethodGet, "https://example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%d %q %v", res.StatusCode, b, err)
	}
}
