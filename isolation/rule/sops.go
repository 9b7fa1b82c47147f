package rule

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Bounds on what is looked through for SOPS files, so that a big repository costs no more.
const (
	maxSOPSFiles = 50_000
	maxSOPSBytes = 256 << 20
)

// sopsDoc is what an encrypted document tells without a key.
type sopsDoc struct {
	Kind, Name string
	// Recipients who may open it, sorted.
	Recipients []string
	// Open are the fields of a Secret's data that are not encrypted, sorted.
	Open []string
}

// sopsFile is a file with encrypted documents.
type sopsFile struct {
	// Path from the root of its repository. In the hub, Hub is true.
	Path string
	Hub  bool
	// Owner of the repository, or of the folder in the hub; nil for the platform.
	Owner *estate.Tenant
	Docs  []sopsDoc
}

// sopsIn reads the documents of a file that SOPS has encrypted. None of them is decrypted.
func sopsIn(data []byte) (out []sopsDoc) {
	if len(data) > maxParsed || !bytes.Contains(data, []byte("sops")) || !bytes.Contains(data, []byte("ENC[")) {
		return nil
	}
	for text := range bytes.SplitSeq(data, documentEnd) {
		var doc map[string]any
		if !bytes.Contains(text, []byte("sops")) || yaml.Unmarshal(text, &doc) != nil {
			continue
		}
		meta, _ := doc["sops"].(map[string]any)
		if meta == nil {
			continue
		}
		d := sopsDoc{Kind: estate.Text(doc, "kind"), Name: estate.Text(doc, "metadata", "name"), Recipients: recipientsIn(meta)}
		if d.Kind == "Secret" {
			for _, field := range []string{"data", "stringData"} {
				values, _ := doc[field].(map[string]any)
				for k, v := range values {
					if s, ok := v.(string); !ok && v != nil || ok && s != "" && !strings.HasPrefix(s, "ENC[") {
						d.Open = append(d.Open, field+"."+k)
					}
				}
			}
			slices.Sort(d.Open)
		}
		out = append(out, d)
	}
	return out
}

// recipientsIn are the public names of the keys in the metadata of a file.
//
// Source: SOPS v3.13.2, stores.Metadata.
func recipientsIn(meta map[string]any) []string {
	var out []string
	groups := append([]map[string]any{meta}, estate.List(meta, "key_groups")...)
	for _, g := range groups {
		for _, k := range [][2]string{{"age", "recipient"}, {"pgp", "fp"}, {"kms", "arn"}, {"gcp_kms", "resource_id"}} {
			for _, el := range estate.List(g, k[0]) {
				out = append(out, estate.Text(el, k[1]))
			}
		}
		for _, el := range estate.List(g, "azure_kv") {
			out = append(out, estate.Text(el, "vault_url")+"/keys/"+estate.Text(el, "name"))
		}
		for _, el := range estate.List(g, "hc_vault") {
			out = append(out, fmt.Sprintf("%s/v1/%s/keys/%s", estate.Text(el, "vault_address"), estate.Text(el, "engine_path"), estate.Text(el, "key_name")))
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return s == "" })
	slices.Sort(out)
	return slices.Compact(out)
}

func isYAML(file string) bool {
	ext := path.Ext(file)
	return ext == ".yaml" || ext == ".yml" || ext == ".json"
}

// sopsFiles are all encrypted files that are at hand: of the repository under review, and of what tenants' appliers read. Sorted by owner and path.
func sopsFiles(x *Context) []sopsFile {
	return once(x, "sops files", func() []sopsFile {
		out := hubSOPS(x)
		seen := map[string]bool{}
		for _, c := range x.Clusters {
			for _, a := range c.Appliers {
				if a.Tenant == nil || a.Files == nil || a.Own {
					continue
				}
				for file, docs := range sopsRead(x, a) {
					if key := a.Tenant.Name + "\x00" + a.Source.Repository + "\x00" + file; !seen[key] {
						seen[key] = true
						out = append(out, sopsFile{Path: file, Owner: a.Tenant, Docs: docs})
					}
				}
			}
		}
		slices.SortFunc(out, func(a, b sopsFile) int {
			return cmp.Or(cmp.Compare(who(a.Owner), who(b.Owner)), cmp.Compare(a.Path, b.Path))
		})
		return out
	})
}

// sopsRead are the encrypted files that the build of an applier has read.
func sopsRead(x *Context, a *estate.Applier) map[string][]sopsDoc {
	out := map[string][]sopsDoc{}
	if a.Files == nil {
		return out
	}
	for _, r := range a.Reads {
		if r.Kind != tree.Content || r.Hash.IsZero() || !isYAML(r.Path) {
			continue
		}
		docs := once(x, "sops "+r.Hash.String(), func() []sopsDoc {
			data, err := a.Files.ReadFile(r.Path)
			if err != nil {
				return nil
			}
			return sopsIn(data)
		})
		if len(docs) > 0 {
			out[r.Path] = docs
		}
	}
	return out
}

// hubSOPS are the encrypted files of the repository under review.
func hubSOPS(x *Context) (out []sopsFile) {
	if x.Files == nil {
		return nil
	}
	files, size := 0, 0
	_ = x.Files.Walk(".", func(p string, e tree.Entry) error {
		if e.IsDir() || e.Mode == tree.Symlink || !isYAML(p) {
			return nil
		}
		data, err := x.Files.ReadFile(p)
		if files, size = files+1, size+len(data); files > maxSOPSFiles || size > maxSOPSBytes {
			return fs.SkipAll
		}
		if err != nil {
			return nil //nolint:nilerr // what cannot be read is looked at by nobody
		}
		if docs := sopsIn(data); len(docs) > 0 && path.Base(p) != ".sops.yaml" {
			out = append(out, sopsFile{Path: p, Hub: true, Owner: hubOwner(x, p, docs), Docs: docs})
		}
		return nil
	})
	return out
}

// hubOwner is whose an encrypted file of the repository under review is: that of the tenant whose applier has the folder, or of one for whose key it is
// and whose name is in its path.
func hubOwner(x *Context, file string, docs []sopsDoc) *estate.Tenant {
	for _, repository := range x.Hub {
		if owners := land(x).owners(repository, file); len(owners) == 1 && owners[0] != nil {
			return owners[0]
		}
	}
	for _, t := range x.Tenants {
		keys := t.Document.Spec.Contract.SOPSRecipients
		for _, d := range docs {
			if strings.Contains(file, t.Name) && slices.ContainsFunc(d.Recipients, func(r string) bool { return slices.Contains(keys, r) }) {
				return t
			}
		}
	}
	return nil
}

// creationRule is an entry of .sops.yaml.
type creationRule struct {
	matches    *regexp.Regexp // nil matches all
	recipients []string
}

// creationRules are those of a .sops.yaml at the root of a repository, in their order; one that does not parse matches nothing, as SOPS stops there.
//
// Source: SOPS v3.13.2, config.LoadCreationRuleForFile.
func creationRules(files *tree.Tree) (out []creationRule) {
	if files == nil {
		return nil
	}
	data, err := files.ReadFile(".sops.yaml")
	var doc map[string]any
	if err != nil || len(data) > maxParsed || yaml.Unmarshal(data, &doc) != nil {
		return nil
	}
	for _, r := range estate.List(doc, "creation_rules") {
		rule := creationRule{}
		if pattern := estate.Text(r, "path_regex"); pattern != "" {
			re, err := regexp.Compile(pattern)
			if err != nil {
				return out
			}
			rule.matches = re
		}
		for _, g := range append([]map[string]any{r}, estate.List(r, "key_groups")...) {
			for _, key := range []string{"age", "pgp", "kms", "gcp_kms", "azure_keyvault", "hc_vault_transit_uri", "hc_vault"} {
				list := estate.Texts(g, key)
				if s := estate.Text(g, key); s != "" {
					list = strings.Split(s, ",")
				}
				for _, s := range list {
					if s = strings.TrimSpace(s); s != "" {
						rule.recipients = append(rule.recipients, s)
					}
				}
			}
			for _, el := range estate.List(g, "kms") {
				rule.recipients = append(rule.recipients, estate.Text(el, "arn"))
			}
			for _, el := range estate.List(g, "gcp_kms") {
				rule.recipients = append(rule.recipients, estate.Text(el, "resource_id"))
			}
		}
		rule.recipients = slices.DeleteFunc(rule.recipients, func(s string) bool { return s == "" })
		slices.Sort(rule.recipients)
		rule.recipients = slices.Compact(rule.recipients)
		out = append(out, rule)
	}
	return out
}

// ruleFor is the first rule that matches a file; nil for none.
func ruleFor(rules []creationRule, file string) *creationRule {
	for i := range rules {
		if rules[i].matches == nil || rules[i].matches.MatchString(file) {
			return &rules[i]
		}
	}
	return nil
}
