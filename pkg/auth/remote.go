package auth

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxies are the addresses whose X-Forwarded-For is believed. Nobody else's is: anybody can write it.
type proxies []netip.Prefix

// parseProxies takes networks (10.0.0.0/8) and single addresses.
func parseProxies(list []string) (proxies, error) {
	var p proxies
	for _, s := range list {
		network, err := netip.ParsePrefix(s)
		if err != nil {
			addr, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fmt.Errorf("--trusted-proxy %q: want an address or a network, such as 10.0.0.0/8", s)
			}
			network = netip.PrefixFrom(addr, addr.BitLen())
		}
		p = append(p, network.Masked())
	}
	return p, nil
}

func (p proxies) contain(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(addr) })
}

// remoteHost is the address that a request came from; of IPv6 the network, since one machine has all addresses of its
// /64. Each trusted proxy appends the address that it saw, so the last one that is no trusted proxy's is the client.
func (p proxies) remoteHost(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := peer.Addr().Unmap().WithZone("")
	if p.contain(addr) {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, hop := range slices.Backward(hops) {
			forwarded, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				break // what stands before it is not to be believed either
			}
			addr = forwarded.Unmap().WithZone("")
			if !p.contain(addr) {
				break
			}
		}
	}
	if addr.Is4() {
		return addr.String()
	}
	network, _ := addr.Prefix(64) // cannot fail: it is IPv6
	return network.String()
}
