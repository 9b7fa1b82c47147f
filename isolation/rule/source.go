package rule

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
)

// sourceController is what the rules about sources follow.
const sourceController = "source-controller v1.9.5"

// sourceRules are about sources and what proves where they are from.
func sourceRules() []Rule { return slices.Concat(provenanceRules(), transportRules()) }

// provenanceRules are those about what is followed, and what proves it.
func provenanceRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "SRC-001", Level: finding.Medium, Title: "Production follows a reference that moves",
				Why:  "Whoever pushes to the branch, or moves the tag, changes production a minute later, and nothing says which commit was meant.",
				Hint: "follow a tag, a range of versions with spec.verify, or a digest",
			},
			Unless: "it is the hub itself, whose branch is reviewed. Sources of the platform's are high; a tenant's own, as its document has it, changes that compartment alone, and is low",
			Static: "whether a cluster is production is not known to its API server",
			Source: sourceController + " spec.ref", cluster: movingSources,
		},
		{
			Rule: finding.Rule{
				ID: "SRC-002", Level: finding.High, Title: "A source follows code that nobody reviewed",
				Why:  "Everybody who may open a pull request puts commits under refs/pull: what they hold is applied before anybody looks.",
				Hint: "follow a branch or a tag, and keep previews to clusters of their own",
			},
			Boundary: true, Unless: "the cluster is for previews; in production it is critical",
			Source: sourceController + " spec.ref.name", object: unreviewedRef,
		},
		{
			Rule: finding.Rule{
				ID: "SRC-003", Level: finding.Medium, Title: "Nothing proves where an artifact is from",
				Why:  "Without spec.verify, whoever can write to the registry or the forge decides what is applied. For the cluster's own sync that is everything.",
				Hint: "sign releases, and set spec.verify with the identity that signs",
			},
			Unless: "it is the hub itself, whose commits are reviewed, or a tenant's Git repository, which feeds its own compartment only; charts are low",
			Static: "whether a cluster is production is not known to its API server",
			Source: sourceController + " spec.verify", cluster: unverifiedSources,
		},
		{
			Rule: finding.Rule{
				ID: "SRC-004", Level: finding.Medium, Title: "A verification proves little",
				Why:  "A pattern that is not anchored is true for identities of others, a key that a tenant may write is the tenant's, and the signature of a commit says nothing of the tag that leads to it.",
				Hint: "anchor the patterns with ^ and $, escape their dots, keep the keys where no tenant writes, and verify the tag",
			},
			Source: sourceController + " spec.verify", object: weakVerification,
		},
	}
}

// transportRules are those about addresses and repositories.
func transportRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "SRC-005", Level: finding.High, Title: "A source is fetched without protection, or from where it must not be",
				Why:  "Who is on the way changes what is applied over HTTP, passCredentials hands credentials to whatever host an index names, and an address that is not in the contract was agreed on with nobody.",
				Hint: "use https, ssh or oci, and add the address to sourceURLs of the tenant's contract",
			},
			Boundary: true, Unless: "it is a mirror of the platform's within the cluster",
			Source: sourceController, object: unsafeTransport,
		},
		{
			Rule: finding.Rule{
				ID: "SRC-006", Level: finding.High, Title: "A tenant lets a controller call an address inside",
				Why:  "The controllers ask from their own pods, behind the network policies that hold the tenant: Services of others, the metadata of the node and private networks answer them.",
				Hint: "use an address of the internet, or have it in sourceURLs of the contract; let flux-system out to known addresses only",
			},
			Boundary: true, Unless: "the contract has the address, as for a registry within the cluster",
			Source: sourceController + ", notification-controller v1.9.3; kustomize API v0.21.1", cluster: forgedRequests,
		},
		{
			Rule: finding.Rule{
				ID: "SRC-007", Level: finding.Medium, Title: "A source includes files of another owner",
				Why:  "The artifact is as trustworthy as the least trusted of the repositories in it, and says nothing of them.",
				Hint: "apply the other repository by an applier of its own",
			},
			Static: "two objects are compared", Unless: "both repositories are the same team's",
			Source: sourceController + " GitRepository spec.include", object: includedSource,
		},
		{
			Rule: finding.Rule{
				ID: "SRC-008", Level: finding.High, Title: "One repository is the platform's and a tenant's",
				Why:  "Who may push to it for the tenant may push to the platform's files as well, unless the forge holds each folder to its owners.",
				Hint: "give the tenant a repository of its own, or name the owners of both folders in CODEOWNERS and require their review",
			},
			Boundary: true, Unless: "CODEOWNERS names the owners of the folders: then it is medium",
			Static: "it is about repositories",
			Source: "Flux guide on repository structure", fleet: mixedRepositories,
		},
	}
}
