package estate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
)

// ReservedHosts is the name of the ConfigMap in a contract that holds digests of hosts that are others'.
const ReservedHosts = "bulkhead-reserved-hosts"

// HostDigest is what stands for a host, or a pattern of hosts, that is another's: 32 hexadecimal digits. Who guesses a host can find its digest.
func HostDigest(host string) string {
	sum := sha256.Sum256([]byte("bulkhead host " + strings.ToLower(strings.TrimSuffix(host, "."))))
	return hex.EncodeToString(sum[:16])
}

// Reserved is the longest pattern that covers a host and is kept for others, by a contract; "" for none.
func (c *Cluster) Reserved(host string) string {
	list := c.Get(object.ID{Kind: "ConfigMap", Namespace: c.FluxNamespace, Name: ReservedHosts})
	if len(list) == 0 || list[0].Tenant != nil {
		return ""
	}
	digests := texts(list[0].At("data"))
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for pattern := host; ; {
		if _, kept := digests[HostDigest(pattern)]; kept {
			return pattern
		}
		_, rest, ok := strings.Cut(strings.TrimPrefix(pattern, "*."), ".")
		if !ok {
			return ""
		}
		pattern = "*." + rest
	}
}
