//go:build linux

package lab

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// Reset takes a cluster back to where it was when it became ready: objects that came
// later are gone at once, without finalizers, and the others have their old content. It
// goes below the API server, which learns it from etcd as it learns everything. Callers
// see to it that no controller is at work.
func (c *Cluster) Reset(ctx context.Context) error {
	// What was under way may still write when its object is gone: look once more.
	var changed []string
	for range 20 {
		var err error
		changed, err = c.restore(ctx)
		if err != nil {
			return fmt.Errorf("reset cluster %s: %w", c.Name, err)
		}
		if len(changed) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(150 * time.Millisecond):
		}
	}
	return fmt.Errorf("reset cluster %s: somebody goes on writing %s", c.Name, strings.Join(changed, ", "))
}

func (c *Cluster) restore(ctx context.Context) (changed []string, err error) {
	now, err := c.keys(ctx)
	if err != nil {
		return nil, err
	}
	for key := range now {
		if _, ok := c.base[key]; !ok {
			changed = append(changed, decoded(key))
			if err := c.etcd(ctx, "deleterange", map[string]any{"key": key}, nil); err != nil {
				return nil, err
			}
		}
	}
	for key, was := range c.base {
		if now[key] != was {
			changed = append(changed, decoded(key))
			if err := c.etcd(ctx, "put", map[string]any{"key": key, "value": was}, nil); err != nil {
				return nil, err
			}
		}
	}
	return changed, nil
}

func decoded(key string) string {
	data, _ := base64.StdEncoding.DecodeString(key) // it was encoded by etcd
	return string(data)
}

// remember takes down what the cluster holds, once it has been the same for a while: the
// API server and its controllers go on making things when they say that they are ready.
func (c *Cluster) remember(ctx context.Context) error {
	quiet := 0
	for quiet < 4 {
		now, err := c.keys(ctx)
		if err != nil {
			return err
		}
		if quiet++; !maps.Equal(now, c.base) {
			quiet, c.base = 0, now
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for cluster %s to be quiet: %w", c.Name, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// keys reads all that the cluster keeps, but for what is fleeting: written all the time,
// by the API server itself.
func (c *Cluster) keys(ctx context.Context) (map[string]string, error) {
	fleeting := []string{"/events/", "/leases/", "/masterleases/", "/ranges/", "/ipaddresses/", "/servicecidrs/", "/apiregistration.k8s.io/"}
	prefix := "/" + c.Name + "/"
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	var answer struct {
		KVs []struct {
			Key, Value string
		}
	}
	end := prefix[:len(prefix)-1] + "0" // the first key after the prefix
	if err := c.etcd(ctx, "range", map[string]any{"key": encode(prefix), "range_end": encode(end)}, &answer); err != nil {
		return nil, err
	}
	keys := map[string]string{}
next:
	for _, kv := range answer.KVs {
		name, err := base64.StdEncoding.DecodeString(kv.Key)
		if err != nil {
			return nil, err
		}
		for _, f := range fleeting {
			if strings.Contains(string(name), f) {
				continue next
			}
		}
		keys[kv.Key] = kv.Value
	}
	return keys, nil
}

// etcd calls the JSON form of etcd's API for keys and values.
func (c *Cluster) etcd(ctx context.Context, method string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.lab.shared(portEtcd)+"/v3/kv/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd %s: %s: %s", method, res.Status, bytes.TrimSpace(data))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}
