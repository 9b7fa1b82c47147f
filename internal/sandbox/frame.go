package sandbox

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The frames between a pool and its workers: a kind, the length of a name, the
// length of a payload, then both. Only requests have a name, that of the job.
const (
	kindHello    = 'H' // worker: this is a worker; the payload is protocol
	kindRequest  = 'Q' // pool: run this job on this payload
	kindNeed     = 'P' // pool: the same, for what a request that follows needs
	kindTaken    = 'T' // worker: the whole request has been read
	kindResult   = 'R' // worker: the job's result
	kindError    = 'E' // worker: the text of the job's error
	kindTooLong  = 'L' // worker: the result is longer than allowed, and left out
	kindNoJob    = 'N' // worker: there is no job of this name
	headerLength = 1 + 2 + 4
	protocol     = "bulkhead-sandbox-1"
)

var errFrameLength = errors.New("the frame is longer than allowed")

type frame struct {
	kind    byte
	name    string
	payload []byte
}

func writeFrame(w io.Writer, f frame) error {
	if len(f.name) > 1<<16-1 || len(f.payload) > maxFrame {
		return errFrameLength
	}
	header := make([]byte, headerLength, headerLength+len(f.name))
	header[0] = f.kind
	binary.BigEndian.PutUint16(header[1:], uint16(len(f.name)))    //nolint:gosec // checked above
	binary.BigEndian.PutUint32(header[3:], uint32(len(f.payload))) //nolint:gosec // checked above
	if _, err := w.Write(append(header, f.name...)); err != nil {
		return err
	}
	_, err := w.Write(f.payload)
	return err
}

// readFrame reads one frame with a payload of limit bytes at most. At the end of
// the stream the error is io.EOF.
func readFrame(r *bufio.Reader, limit int64) (frame, error) {
	var header [headerLength]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	length := int64(binary.BigEndian.Uint32(header[3:]))
	if length > limit {
		return frame{}, errFrameLength
	}
	body := make([]byte, int64(binary.BigEndian.Uint16(header[1:]))+length)
	if _, err := io.ReadFull(r, body); err != nil {
		return frame{}, fmt.Errorf("read frame: %w", err)
	}
	name := len(body) - int(length)
	return frame{kind: header[0], name: string(body[:name]), payload: body[name:]}, nil
}
