"""Holds Kubernetes manifests against the schemas of Kubernetes and of KEDA. Argument: the manifests' folder."""
import pathlib
import sys

import kubernetes_validate
import yaml
from cloudcoil.models.keda import v1alpha1 as keda


def lost(given, kept, path=""):
    """Where something was given that a model did not keep, because it does not know it."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            yield from lost(value, kept.get(key), path + "." + key)
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for index, value in enumerate(given):
            yield from lost(value, kept[index], "%s[%d]" % (path, index))
    elif given != kept:
        yield path.lstrip(".")


def problems(document):
    """What is wrong with one object, each as a sentence."""
    if not document["apiVersion"].startswith("keda.sh/"):
        try:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        except kubernetes_validate.ValidationError as error:
            yield "%s: %s" % (".".join(str(part) for part in error.path), error.message)
        return
    try:
        model = getattr(keda, document["kind"]).model_validate(document)
    except ValueError as error:
        yield str(error)
        return
    yield from ("%s is not known" % path for path in lost(document, model.model_dump(mode="json", by_alias=True)))


folder = pathlib.Path(sys.argv[1])
kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
seen, wrong = 0, 0
for name in kustomization["resources"]:
    for document in yaml.safe_load_all((folder / name).read_text()):
        seen += 1
        for problem in problems(document):
            wrong += 1
            print("%s: %s %s: %s" % (name, document["kind"], document["metadata"]["name"], problem))
print("%d objects, %d problems" % (seen, wrong))
sys.exit(wrong > 0 or seen == 0)
