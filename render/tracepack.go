package render

import (
	"encoding/binary"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// appendTrace writes a trace: a digest, its length in bytes, and for each read kind, hash and path.
func (c *Cache) appendTrace(to []byte, tr tree.Trace) []byte {
	key := c.digest(tr)
	var body []byte
	for _, r := range tr {
		body = append(append(body, byte(r.Kind)), r.Hash[:]...)
		body = append(binary.AppendUvarint(body, uint64(len(r.Path))), r.Path...)
	}
	to = binary.AppendUvarint(append(to, key[:]...), uint64(len(body)))
	return append(to, body...)
}

// cutTrace reads what appendTrace wrote; nil when it is damaged. A trace that is known is not read again.
func (c *Cache) cutTrace(from []byte) (tr tree.Trace, rest []byte) {
	var key [32]byte
	from = from[copy(key[:], from):]
	n, size := binary.Uvarint(from)
	if size <= 0 || n > uint64(len(from[size:])) {
		return nil, nil
	}
	body, rest := from[size:][:n], from[size:][n:]
	if known, ok := c.traces.Load(key); ok {
		tr, _ = known.(tree.Trace)
		return tr, rest
	}
	for len(body) > 0 {
		r := tree.Read{Kind: tree.ReadKind(body[0])}
		body = body[1:]
		body = body[copy(r.Hash[:], body):]
		n, size := binary.Uvarint(body)
		if size <= 0 || n > uint64(len(body[size:])) {
			return nil, nil
		}
		r.Path, body = string(body[size:][:n]), body[size:][n:]
		tr = append(tr, r)
	}
	if len(tr) == 0 {
		return nil, nil
	}
	known, _ := c.traces.LoadOrStore(key, tr)
	tr, _ = known.(tree.Trace)
	c.digests.Store(held{reads: &tr[0]}, key)
	return tr, rest
}

// digest is the traceKey of a trace, found out once.
func (c *Cache) digest(tr tree.Trace) [32]byte {
	at := held{reads: &tr[0]}
	if known, ok := c.digests.Load(at); ok {
		key, _ := known.([32]byte)
		return key
	}
	key := traceKey(tr)
	c.digests.Store(at, key)
	return key
}
