package rule

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/tree"
)

func TestOwned(t *testing.T) {
	x := NewContext(&estate.Estate{Files: tree.FromMap(map[string]string{
		"CODEOWNERS": "# owners\n* @acme/all\n/clusters/ @acme/platform\nteams/billing/** @acme/billing # the team\n/nobody/\n",
	})})
	for folder, want := range map[string]bool{"clusters/prod": true, "clusters": true, "teams/billing/prod": true, "teams/auth": false, "nobody": false, "clustersx": false, ".": false} {
		if got := owned(x, folder); got != want {
			t.Errorf("%s: %v", folder, got)
		}
	}
}
