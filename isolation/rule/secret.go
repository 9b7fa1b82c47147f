package rule

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
)

// decryptor is what the rules about decryption follow.
const decryptor = "kustomize-controller v1.9.5 internal/decryptor; SOPS v3.13.2"

// secretRules are about secrets, who may open them, and cloud identities.
func secretRules() []Rule { return slices.Concat(keyRules(), credentialRules()) }

// keyRules are those about keys, and about what is not encrypted.
func keyRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "SEC-001", Level: finding.Critical, Title: "One key opens secrets of several owners",
				Why:  "Decryption does not check where a file comes from: who holds the key, or has an applier that does, copies the ciphertext of others into its own files and reads it.",
				Hint: "encrypt for a key of each tenant and environment, and list it in sopsRecipients of the tenant's contract",
			},
			Boundary: true, Unless: "a file in the platform's repository is for the tenant: its path has the tenant's name, and its key is in the contract",
			Static: "it is about files, and keys of several of them",
			Source: decryptor, fleet: sharedRecipients,
		},
		{
			Rule: finding.Rule{
				ID: "SEC-002", Level: finding.Critical, Title: "The controller decrypts for tenants with a key of its own",
				Why:  "A key, token or cloud identity of the controller serves every Kustomization that asks for decryption: a tenant that can make one decrypts what was encrypted for the platform.",
				Hint: "take --sops-age-secret and VAULT_TOKEN away, give each applier spec.decryption.secretRef, and set --default-decryption-service-account",
			},
			Boundary: true, Unless: "the cluster has one tenant, which is the platform",
			Static: "it is about flags of the controller",
			Source: "kustomize-controller v1.9.5 main.go and internal/decryptor", compartment: globalDecryption,
		},
		{
			Rule: finding.Rule{
				ID: "SEC-003", Level: finding.High, Title: "A decryption key is within the reach of others",
				Why:  "Who reads the Secret with the key, or has an applier that names it, opens all that was ever encrypted for it.",
				Hint: "keep the key in the namespace of the tenant's Flux objects, one Secret for each tenant",
			},
			Boundary: true, Static: "it depends on roles, bindings and other appliers",
			Source: decryptor, cluster: reachableKeys,
		},
		{
			Rule: finding.Rule{
				ID: "SEC-004", Level: finding.High, Title: "A Secret is in plain text in Git",
				Why:  "Everybody who may read the repository, its copies and its history reads the secret.",
				Hint: "encrypt it with SOPS or as a SealedSecret, or refer to a store by an ExternalSecret, and change the secret: it has been read",
			},
			Unless: "the values are public or for show",
			Static: "the cluster does not know how a Secret was kept in Git",
			Source: "Flux guide on secrets; " + decryptor, object: plainSecret,
		},
	}
}

// credentialRules are those about credentials, identities and files.
func credentialRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "SEC-005", Level: finding.High, Title: "One credential is in the hands of several tenants",
				Why:  "A tenant that makes sources points one at its own server, and source-controller sends it the credential. With it the tenant reads, or pushes to, what others own.",
				Hint: "give each tenant a deploy key of its own, and allow only the addresses of its contract by admission",
			},
			Boundary: true, Unless: "the credential reads one public registry only",
			Static: "objects of several namespaces are compared",
			Source: "source-controller v1.9.5 spec.secretRef; Flux Operator copyFrom", cluster: sharedCredentials,
		},
		{
			Rule: finding.Rule{
				ID: "SEC-006", Level: finding.High, Title: "A cloud identity is not in the tenant's contract",
				Why:  "Pods of the account act as that identity in the cloud, if its trust policy lets them: there the cluster's boundaries do not hold.",
				Hint: "list the identity in cloudIdentities of the tenant's contract, or let the platform make the account",
			},
			Boundary: true, Unless: "the trust policy of the identity names another account",
			Source: "workload identity of EKS, GKE and AKS; fluxcd/pkg/auth v0.54.3", object: cloudIdentity,
		},
		{
			Rule: finding.Rule{
				ID: "SEC-007", Level: finding.High, Title: "A tenant's source borrows the controller's cloud identity",
				Why:  "With spec.provider and without an account the controller signs in as itself: the tenant fetches every bucket, registry and repository that the controller may.",
				Hint: "set spec.serviceAccountName, and start the controllers with --default-service-account",
			},
			Boundary: true, Unless: "the cluster has one tenant, which is the platform",
			Source: "source-controller v1.9.5, notification-controller v1.9.3, fluxcd/pkg/auth v0.54.3", object: borrowedIdentity,
		},
		{
			Rule: finding.Rule{
				ID: "SEC-008", Level: finding.High, Title: "A tenant asks for the token of an account that is not its own",
				Why:  "Kubernetes puts a token that never expires into a Secret of this type, and the tenant reads it.",
				Hint: "let pods use bound tokens, and take the Secret away",
			},
			Boundary: true,
			Source:   "Kubernetes v1.36, the token controller", object: tokenSecret,
		},
		{
			Rule: finding.Rule{
				ID: "SEC-009", Level: finding.Medium, Title: "An encrypted file leaves values open, or is for other keys than its rule",
				Why:  "What encrypted_regex leaves out is plain text beside ciphertext, which nobody looks at twice. A file that was not encrypted again is still open to keys that were taken away.",
				Hint: "set encrypted_regex to ^(data|stringData)$ and encrypt again; run sops updatekeys",
			},
			Unless: "the values are open on purpose",
			Static: "it is about files before decryption",
			Source: "SOPS v3.13.2", fleet: openCiphertext,
		},
	}
}
