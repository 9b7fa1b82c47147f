package cli

import (
	"github.com/bulkhead-dev/bulkhead/layout/adopt"
	"github.com/bulkhead-dev/bulkhead/object"
)

// TenantImportDocument is what "bulkhead tenant import -o json" writes: the tenants that were found, their documents, and what differs.
type TenantImportDocument struct {
	// SchemaVersion is "bulkhead.dev/tenant-import/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/tenant-import/v1"`
	// Written is true when the documents were written, with --write.
	Written bool `json:"written"`
	// Files of the documents, sorted by path.
	Files []ImportedFile `json:"files"`
	// Tenants that were taken over, sorted by name.
	Tenants []ImportedTenant `json:"tenants"`
	// Documented are the names of tenants that have a document already, sorted. They are left alone.
	Documented []string `json:"documented"`
	// LeftOut is what no document was made of, sorted by name.
	LeftOut []LeftOutTenant `json:"leftOut"`
}

// ImportedFile is a document that is not there yet.
type ImportedFile struct {
	// Path is slash-separated, from the root of the repository.
	Path string `json:"path"`
	// Content of the file.
	Content string `json:"content"`
}

// ImportedTenant is one tenant that was taken over.
type ImportedTenant struct {
	// Name of the tenant.
	Name string `json:"name"`
	// File that its document is for.
	File string `json:"file"`
	// Counts are the numbers of objects by state, on all clusters.
	Counts ImportCounts `json:"counts"`
	// Objects that are there, and those that the document stands for, sorted by cluster and state.
	Objects []ImportedObject `json:"objects"`
	// Notes are what else has to be seen to.
	Notes []string `json:"notes"`
}

// ImportCounts are numbers of objects.
type ImportCounts struct {
	// Equal are the same.
	Equal int `json:"equal"`
	// Differs have other fields.
	Differs int `json:"differs"`
	// Renamed have another name or namespace, and perhaps other fields.
	Renamed int `json:"renamed"`
	// Only are there, and no document says them.
	Only int `json:"only"`
	// New are what the document stands for and is not there.
	New int `json:"new"`
}

func (n *ImportCounts) add(s adopt.State) {
	switch s {
	case adopt.Equal:
		n.Equal++
	case adopt.Differs:
		n.Differs++
	case adopt.Renamed:
		n.Renamed++
	case adopt.Only:
		n.Only++
	case adopt.New:
		n.New++
	}
}

// ImportedObject is an object that is there, one that a document stands for, or both.
type ImportedObject struct {
	// Cluster that it is on.
	Cluster string `json:"cluster"`
	// State is how the two compare.
	State adopt.State `json:"state" jsonschema:"enum=equal,enum=differs,enum=renamed,enum=only,enum=new"`
	// There is the object that is there; absent when it is new.
	There *object.ID `json:"there,omitempty"`
	// Generated is the object that the document stands for; absent when no document says it.
	Generated *object.ID `json:"generated,omitempty"`
	// Edits make the one into the other, without what has the same effect; secret values are redacted.
	Edits []object.Edit `json:"edits"`
	// Why it is so, or what follows from it.
	Why string `json:"why,omitempty"`
}

// LeftOutTenant is a tenant, or what may be one, that has no document.
type LeftOutTenant struct {
	// Name of the tenant, as far as it can be told.
	Name string `json:"name"`
	// Cluster that it is about; absent for all of them.
	Cluster string `json:"cluster,omitempty"`
	// Why no document was made of it.
	Why string `json:"why"`
	// Hint is the cure, if one is known.
	Hint string `json:"hint,omitempty"`
}

// importDocument is the document of what was found.
func importDocument(r *adopt.Result, files []ImportedFile, written bool) *TenantImportDocument {
	d := &TenantImportDocument{SchemaVersion: importSchema, Written: written, Files: some(files), Tenants: []ImportedTenant{}, Documented: some(r.Documented), LeftOut: []LeftOutTenant{}}
	redact := newRedactor()
	for i := range r.Tenants {
		a := &r.Tenants[i]
		t := ImportedTenant{Name: a.Document.Name, File: tenantFile(a.Document.Name), Objects: []ImportedObject{}, Notes: some(a.Notes)}
		for k := range a.Objects {
			c := &a.Objects[k]
			t.Counts.add(c.State)
			o := ImportedObject{Cluster: c.Cluster, State: c.State, Edits: []object.Edit{}, Why: c.Why}
			if c.There != nil {
				o.There = &c.There.ID
			}
			if c.Ours != nil {
				o.Generated = &c.Ours.ID
			}
			if len(c.Edits) > 0 {
				o.Edits = redact.Edits(c.There.Body(), c.Edits, c.Ours.Body())
			}
			t.Objects = append(t.Objects, o)
		}
		d.Tenants = append(d.Tenants, t)
	}
	for _, l := range r.LeftOut {
		d.LeftOut = append(d.LeftOut, LeftOutTenant(l))
	}
	return d
}
