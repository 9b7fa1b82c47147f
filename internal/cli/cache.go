package cli

import (
	"cmp"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/cache"
	"github.com/bulkhead-dev/bulkhead/internal/fetch"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// CacheStatDocument is what "bulkhead cache stat -o json" writes.
type CacheStatDocument struct {
	// SchemaVersion is "bulkhead.dev/cache-stat/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/cache-stat/v1"`
	// Renders is what was computed; left out when the cache is off.
	Renders *CacheFolder `json:"renders,omitempty"`
	// Fetched is what was fetched: charts, artifacts, answers of servers and repositories; left out when there is no home to keep it in.
	Fetched *CacheFolder `json:"fetched,omitempty"`
	// Remote is the bucket that renders are shared through, if there is one.
	Remote *CacheRemote `json:"remote,omitempty"`
}

// CacheFolder is a cache in a folder.
type CacheFolder struct {
	// Folder is its absolute path.
	Folder string `json:"folder"`
	// Version is that of the format. Entries of another version are neither counted nor removed.
	Version string `json:"version"`
	// Entries is the number of them.
	Entries int `json:"entries"`
	// Bytes is what they take.
	Bytes int64 `json:"bytes"`
	// Limit is the size, in bytes, above which the entries that were not used for longest go.
	Limit int64 `json:"limit"`
	// OldestUse is when the entry that was not used for longest was used, exact to some hours; left out without entries.
	OldestUse string `json:"oldestUse,omitempty" jsonschema:"format=date-time"`
}

// CacheRemote is a bucket.
type CacheRemote struct {
	// URL of it, without parameters.
	URL string `json:"url"`
	// ReadOnly says that nothing is uploaded.
	ReadOnly bool `json:"readOnly"`
}

// CacheClearDocument is what "bulkhead cache clear -o json" writes.
type CacheClearDocument struct {
	// SchemaVersion is "bulkhead.dev/cache-clear/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/cache-clear/v1"`
	// Renders is what was removed of what was computed.
	Renders ClearedFolder `json:"renders"`
	// Fetched is what was removed of what was fetched; left out without --fetched.
	Fetched *ClearedFolder `json:"fetched,omitempty"`
}

// ClearedFolder is what was removed from a folder.
type ClearedFolder struct {
	// Folder is its absolute path.
	Folder string `json:"folder"`
	// Entries is the number of those removed.
	Entries int `json:"entries"`
	// Bytes is what they took.
	Bytes int64 `json:"bytes"`
}

func newCacheCmd(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "What is kept on this machine for the next run",
		Long: `Looks at the cache, or clears it. It holds what was computed, sealed with keys that only who has the
files of the fleet can derive, and beside it what was fetched from other hosts. Without it every answer is
the same, and takes longer.`,
		Example: "  bulkhead cache stat\n  bulkhead cache clear",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usage("unknown command "+term.Quote("cache "+args[0]), near(args[0], []string{"stat", "clear"}))
	}
	c.AddCommand(newCacheStatCmd(s), newCacheClearCmd(s))
	return c
}

// formatFlag adds -o text|json, and gives what reads it.
func formatFlag(c *cobra.Command) func() (asJSON bool, err error) {
	formats := []string{"text", "json"}
	var format string
	c.Flags().StringVarP(&format, "output", "o", "text", "`FORMAT` of the output: text, json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return func() (bool, error) { return format == "json", checkFormat(format, formats) }
}

func newCacheStatCmd(s *streams) *cobra.Command {
	var o storeOptions
	c := &cobra.Command{
		Use:     "stat",
		Short:   "How large the cache is, and where",
		Long:    "Tells where the cache is, how much is in it and how much may be. It asks no network.",
		Example: "  bulkhead cache stat\n  bulkhead cache stat -o json",
		Args:    none,
	}
	o.bind(c)
	asJSON := formatFlag(c)
	c.RunE = func(*cobra.Command, []string) error {
		document, err := asJSON()
		if err != nil {
			return err
		}
		d, err := o.stat()
		if err != nil {
			return err
		}
		if document {
			return s.json(d)
		}
		s.cacheStat(d)
		return nil
	}
	return c
}

// stat looks at the folders.
func (o *storeOptions) stat() (*CacheStatDocument, error) {
	d := &CacheStatDocument{SchemaVersion: cacheStatSchema}
	dir, err := o.folder()
	if err != nil {
		return nil, err
	}
	limit, limitErr := o.limit()
	shared, sharedErr := o.bucket()
	readOnly, readErr := o.reads()
	if err := cmp.Or(limitErr, sharedErr, readErr); err != nil {
		return nil, err
	}
	if dir != "" {
		u, err := cache.UsageOf(dir)
		if err != nil {
			return nil, hinted(err, "name another folder: --cache DIR")
		}
		d.Renders = &CacheFolder{Folder: dir, Version: cache.Version, Entries: u.Entries, Bytes: u.Bytes, Limit: limit, OldestUse: stamp(u.Oldest)}
		if shared != nil {
			d.Remote = &CacheRemote{URL: shared.String(), ReadOnly: readOnly}
		}
	}
	if u, err := fetch.UsageOf(""); u.Dir != "" {
		if err != nil {
			return nil, err
		}
		d.Fetched = &CacheFolder{Folder: u.Dir, Version: u.Version, Entries: u.Entries, Bytes: u.Bytes, Limit: u.Limit, OldestUse: stamp(u.Oldest)}
	}
	return d, nil
}

// stamp is a time as JSON has it, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// cacheStat writes the document for people.
func (s *streams) cacheStat(d *CacheStatDocument) {
	folder := func(what string, f *CacheFolder) {
		if f == nil {
			s.printf("%-8s  off\n", what)
			return
		}
		s.printf("%-8s  %s\n", what, term.Safe(f.Folder))
		s.printf("          %s, %s of at most %s, format %s\n", phrase.Count(f.Entries, "entry"), size(f.Bytes), size(f.Limit), f.Version)
		if f.OldestUse != "" {
			s.printf("          longest unused since %s\n", f.OldestUse)
		}
	}
	folder("renders", d.Renders)
	if d.Remote != nil {
		only := ""
		if d.Remote.ReadOnly {
			only = ", read only"
		}
		s.printf("%-8s  %s%s\n", "shared", term.Safe(d.Remote.URL), only)
	}
	folder("fetched", d.Fetched)
}

func newCacheClearCmd(s *streams) *cobra.Command {
	var o storeOptions
	var fetched bool
	c := &cobra.Command{
		Use:   "clear",
		Short: "Empty the cache",
		Long: `Removes what was computed from the cache folder, and nothing that something else has put there. What was
fetched stays, as --offline needs it and no machine can compute it: --fetched removes it too. A shared
bucket is left to the rules of its owner. Other runs may go on meanwhile; they compute again, but not one that
fetches, when --fetched takes away what it reads.`,
		Example: "  bulkhead cache clear\n  bulkhead cache clear --fetched",
		Args:    none,
	}
	c.Flags().StringVar(&o.dir, "cache", "", "clear the folder `DIR` (default: $BULKHEAD_CACHE, else bulkhead/renders in the user's cache folder)")
	c.Flags().BoolVar(&fetched, "fetched", false, "remove what was fetched, too")
	_ = c.MarkFlagDirname("cache")
	asJSON := formatFlag(c)
	c.RunE = func(*cobra.Command, []string) error {
		document, err := asJSON()
		if err != nil {
			return err
		}
		return o.clear(fetched, document, s)
	}
	return c
}

func (o *storeOptions) clear(fetched, document bool, s *streams) error {
	d := &CacheClearDocument{SchemaVersion: cacheClearSchema}
	dir, err := o.folder()
	if err != nil {
		return err
	}
	if dir != "" {
		u, err := cache.Clear(dir)
		if err != nil {
			return err
		}
		d.Renders = ClearedFolder{Folder: dir, Entries: u.Entries, Bytes: u.Bytes}
	}
	if fetched {
		u, err := fetch.Clear("")
		if err != nil {
			return err
		}
		d.Fetched = &ClearedFolder{Folder: u.Dir, Entries: u.Entries, Bytes: u.Bytes}
	}
	if document {
		return s.json(d)
	}
	tell := func(what string, c ClearedFolder) {
		if c.Folder == "" {
			s.printf("%s  off\n", what)
			return
		}
		s.printf("%s  removed %s, %s, from %s\n", what, phrase.Count(c.Entries, "entry"), size(c.Bytes), term.Safe(c.Folder))
	}
	tell("renders", d.Renders)
	if d.Fetched != nil {
		tell("fetched", *d.Fetched)
	}
	return nil
}
