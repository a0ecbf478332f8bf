"""From paths to manifests: what is found, what is expanded, what is refused, and where errors point."""

from __future__ import annotations

import io

import pytest

from k8s_step.errors import ExitCode, InputError
from k8s_step.manifests.files import NoTemplates, Sources
from k8s_step.manifests.manifest import Manifest, load, secret_values
from k8s_step.manifests.templating.templates import Values

VALUES = Values({"TAG": "1.2"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory of its own, so that paths are told as they are given."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_map(name, namespace=None, extra=""):
    place = f"  namespace: {namespace}\n" if namespace else ""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{place}{extra}"


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", "/").replace("_", ".")).write_text(text)


def names(*paths, **sources):
    return [manifest.name for manifest in load(Sources(paths, **sources), VALUES)]


def failure(*paths, stdin=None, **options):
    with pytest.raises(InputError) as caught:
        load(Sources(paths, stdin=stdin), VALUES, **options)
    assert caught.value.exit_code is ExitCode.INVALID
    return str(caught.value)


# --- which files ---------------------------------------------------------------------------------------------------


def test_a_folder_gives_its_manifests_by_name(folder):
    (folder / "k8s/sub").mkdir(parents=True)
    write(folder, k8s__b_yaml=config_map("b"), k8s__a_yml=config_map("a"), k8s__README_md="# no manifest")
    write(folder, k8s__c_json='{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}')
    write(folder, k8s__d_yaml_j2=config_map("d-{{ TAG }}"), k8s__sub__e_yaml=config_map("e"))
    (folder / "k8s/.hidden.yaml").write_text("not: [yaml")
    assert names("k8s") == ["a", "b", "c", "d-1.2"]
    assert names("k8s", recursive=True) == ["a", "b", "c", "d-1.2", "e"]


@pytest.mark.parametrize("file", ["x.yaml.j2", "x.yml.j2", "x.json.j2", "x.j2"])
def test_every_j2_file_is_a_jinja_template(folder, file):
    (folder / file).write_text(config_map("{{ TAG }}-${NOT}").replace("1.2", "x"))
    assert names(file) == ["1.2-${NOT}"]


def test_a_file_may_have_any_name(folder):
    write(folder, manifest=config_map("a"))
    assert names("manifest") == ["a"]


def test_a_glob_is_expanded_in_order(folder):
    (folder / "k8s").mkdir()
    write(folder, k8s__b_yaml=config_map("b"), k8s__a_yaml=config_map("a"), k8s__c_txt="no")
    assert names("k8s/*.yaml") == ["a", "b"]
    assert names("**/[ab].yaml") == ["a", "b"]
    assert names(str(folder / "k8s" / "?.yaml")) == ["a", "b"]


def test_the_same_file_is_loaded_once(folder):
    (folder / "k8s").mkdir()
    write(folder, k8s__a_yaml=config_map("a"))
    (folder / "link.yaml").symlink_to("k8s/a.yaml")
    assert names("k8s/a.yaml", "./k8s/a.yaml", "k8s", "k8s/*.yaml", "link.yaml") == ["a"]


def test_stdin_is_read_once(folder):
    text = config_map("a-${TAG}") + "---\nnot: {complete: true}\n"
    message = failure("-", "-", stdin=io.StringIO(text))
    assert message.splitlines()[0].startswith("stdin:6: this is no manifest: apiVersion, kind")
    assert names("-", "-", stdin=io.StringIO("\ufeff" + config_map("a-${TAG}"))) == ["a-1.2"]


def test_of_stdin_which_a_shell_may_have_filled_in_nothing_is_quoted():
    told = failure("-", stdin=io.StringIO("kind: Secret\nstringData: {p: *hunter2}\n"))
    assert told.startswith("stdin:2: an unquoted * refers to an anchor") and "hunter2" not in told


def test_stdin_that_is_no_utf8_is_an_error():
    assert "stdin: " in failure("-", stdin=io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))


def test_nothing_found_is_an_error(folder):
    (folder / "empty").mkdir()
    (folder / "deep/er").mkdir(parents=True)
    write(folder, comments_yaml="# nothing\n---\n", deep__er__a_yaml=config_map("a"))
    assert "none.yaml: there is no such file or folder" in failure("none.yaml")
    for text in ("apiVersion " * 100, "kind: Secret\nstringData: {a: apiVersion}", '{"kind": "apiVersion"}'):
        told = failure(text)
        assert "a file's content is given where its path belongs" in told and "apiVersion" not in told
    told = failure("kind: Secret", "stringData:", "  password: hunter2", "hunter2")
    assert "hunter2" not in told and len(told.splitlines()) == 1, "a variable's lines"
    assert "n*.yaml: no file matches the pattern" in failure("n*.yaml")
    assert "empty: no file in the folder ends in .yaml" in failure("empty")
    assert "-R looks into" in failure("deep")
    assert "no manifest in comments.yaml" in failure("comments.yaml")
    assert "no manifest is given" in failure()
    assert "not fetched from a URL" in failure("https://example.com/a.yaml")


def test_a_dangling_link_is_an_error(folder):
    (folder / "k8s").mkdir()
    (folder / "k8s/a.yaml").symlink_to("gone.yaml")
    assert "k8s/a.yaml: the file cannot be read: No such file" in failure("k8s")


# --- what is in them -----------------------------------------------------------------------------------------------


def test_a_manifest_knows_what_it_is_and_where(folder):
    (folder / "k8s").mkdir()
    write(
        folder, k8s__web_yaml="---\n# first\n" + config_map("a") + "---\n\n" + config_map("b", "shop", "data: {k: v}\n")
    )
    first, second = load(Sources(["./k8s/web.yaml"]), VALUES)
    assert (first.api_version, first.kind, first.name, first.namespace) == ("v1", "ConfigMap", "a", None)
    assert (first.file, first.line, first.where) == ("k8s/web.yaml", 3, "k8s/web.yaml:3")
    assert (second.namespace, second.where, second.line_of("data.k")) == ("shop", "k8s/web.yaml:9", 14)
    assert second.object["data"] == {"k": "v"}


def test_a_manifest_made_by_hand_knows_its_line():
    assert Manifest({"kind": "X"}, "stdin", 3).line_of("spec.replicas") == 3


def test_a_manifest_shows_no_content():
    assert "hunter2" not in repr(Manifest({"stringData": {"p": "hunter2"}}, "a", 1))


LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a}
- kind: ConfigMapList
  apiVersion: v1
  items:
  - metadata:
      name: b
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: c
"""


def test_a_list_is_expanded_with_the_line_of_each_item(folder):
    write(folder, a_yaml=LIST)
    manifests = load(Sources(["a.yaml"]), VALUES)
    assert [(one.kind, one.name, one.line) for one in manifests] == [
        *(("ConfigMap", "a", 4), ("ConfigMap", "b", 10), ("ConfigMap", "c", 12)),
    ]
    assert manifests[2].line_of("metadata.name") == 15


def test_an_empty_list_among_others_is_nothing(folder):
    write(folder, a_yaml="{apiVersion: v1, kind: List, items: []}\n---\n" + config_map("a"))
    assert names("a.yaml") == ["a"]


def test_a_kind_with_items_of_its_own_is_no_list(folder):
    write(folder, a_yaml="{apiVersion: x/v1, kind: Menu, metadata: {name: a}, items: [1]}")
    assert load(Sources(["a.yaml"]), VALUES)[0].object["items"] == [1]


MISTAKES = {
    "kind: A\nmetadata: {name: a}\n": "a.yaml:1: apiVersion is missing",
    "apiVersion: v1\nmetadata: {name: a}\n": "a.yaml:1: kind is missing",
    "apiVersion: 1\nkind: A\nmetadata: {name: a}\n": "a.yaml:1: apiVersion is a number, not text (put it in quotes)",
    "apiVersion: v1\nkind: [A]\nmetadata: {name: a}\n": "a.yaml:2: kind is a list, not text",
    "apiVersion: v1\nkind: A\n": "a.yaml:1: metadata is missing",
    "apiVersion: v1\nkind: A\nmetadata: x\n": "a.yaml:3: metadata is no mapping",
    "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  labels: x\n": "a.yaml:5: metadata.labels is no mapping",
    "apiVersion: v1\nkind: A\nmetadata:\n  annotations: 1\n  name: a\n": "a.yaml:4: metadata.annotations is no mapping",
    "apiVersion: v1\nkind: A\nmetadata:\n  name:\n": "a.yaml:4: metadata.name is empty",
    "apiVersion: v1\nkind: A\nmetadata:\n  name: 12\n": "a.yaml:4: metadata.name is a number, not text",
    "apiVersion: v1\nkind: A\nmetadata:\n  name: yes\n": "a.yaml:4: metadata.name is a boolean, not text",
    "apiVersion: v1\nkind: A\nmetadata: {name: a,\n  namespace: 1}\n": "a.yaml:4: metadata.namespace is a number",
    "apiVersion: v1\nkind: A\nmetadata:\n  generateName: a-\n": "a.yaml:4: metadata.generateName makes another object",
    "apiVersion: v1\nkind: A\nmetadata:\n  labels: {}\n": "a.yaml:3: metadata.name is missing",
    "- a\n": "a.yaml:1: a manifest is a mapping, and this is a list",
    "# x\n\nhello\n": "a.yaml:3: a manifest is a mapping, and this is a text",
    "apiVersion: v1\nkind: List\nitems:\n- 1\n": "a.yaml:4: a manifest is a mapping, and this is a number",
    "apiVersion: v1\nkind: List\nitems: {a: b}\n": "a.yaml:1: the items of a List are a list",
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [x]\n": "kubectl kustomize",
    "a: ${NONE}\n": "a.yaml:1: NONE has no value",
    "a: {\n": "a.yaml:2: ",
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.items())
def test_a_mistake_is_told_with_file_and_line(folder, text, message):
    write(folder, a_yaml=text)
    assert message in failure("a.yaml")


def test_every_mistake_of_every_file_is_told_at_once(folder):
    write(folder, a_yaml="a: [\n", b_yaml=config_map("${NONE}") + "---\n" + config_map("${TGA}"))
    write(folder, c_yaml=config_map("ok") + "---\nkind: A\n", d_yaml_j2="\n{{ NO }}\n")
    message = failure("a.yaml", "b.yaml", "none.yaml", "c.yaml", "d.yaml.j2", images=["A=b"])
    for part in ("a.yaml:2:", "b.yaml:4:", "b.yaml:9:", "none.yaml:", "c.yaml:6:", "d.yaml.j2:2:", "--image A=b:"):
        assert part in message
    assert "did you mean TAG?" in message


def test_generate_name_where_it_is_allowed(folder):
    write(folder, a_yaml="apiVersion: v1\nkind: A\nmetadata:\n  generateName: a-\n---\n" * 2)
    manifests = load(Sources(["a.yaml"]), VALUES, allow_generate_name=True)
    assert [manifest.name for manifest in manifests] == ["", ""]


def test_the_same_object_twice_is_an_error_that_names_both_places(folder):
    write(folder, a_yaml=config_map("a") + "---\n" + config_map("b", "x"), b_yaml=config_map("b", "x"))
    assert "b.yaml:1: ConfigMap b is already in a.yaml:6" in failure("a.yaml", "b.yaml")


def test_equal_names_elsewhere_are_no_duplicates(folder):
    other = config_map("a").replace("ConfigMap", "Secret")
    grouped = config_map("a").replace("v1", "example.com/v1")
    write(folder, a_yaml="---\n".join([config_map("a"), config_map("a", "x"), config_map("a", "z"), other, grouped]))
    assert names("a.yaml") == ["a"] * 5


def test_another_version_of_the_same_object_is_a_duplicate(folder):
    text = config_map("a").replace("v1", "example.com/v1") + "---\n" + config_map("a").replace("v1", "example.com/v2")
    write(folder, a_yaml=text)
    assert "already in a.yaml:1" in failure("a.yaml")


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - {name: app, image: "registry:5000/web:${TAG}"}
      - {name: side, image: nginx}
"""


def test_images_are_replaced_by_name(folder):
    write(folder, a_yaml=DEPLOYMENT)
    (web,) = load(Sources(["a.yaml"]), VALUES, images=["registry:5000/web=:3", "docker.io/library/nginx=nginx:1"])
    containers = web.object["spec"]["template"]["spec"]["containers"]
    assert [container["image"] for container in containers] == ["registry:5000/web:3", "nginx:1"]
    assert web.line_of('spec.template.spec.containers[name="side"].image') == 9


def test_an_unmatched_image_is_an_error(folder):
    write(folder, a_yaml=DEPLOYMENT)
    assert "did you mean registry:5000/web?" in failure("a.yaml", images=["web=:3"])


# --- secrets -------------------------------------------------------------------------------------------------------

SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: s
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"kind": "Secret", "data": {"old": "b2xkLXZhbHVl"}, "stringData": {"older": "plain-old"}}
data:
  a: aGVsbG8td29ybGQ=
  binary: /////w==
  broken: "%%"
  folded: |
    Zmly
    c3Q=
stringData: {b: plain-value, port: 8080, none: }
"""


def test_secret_values_are_known_in_every_form(folder):
    write(folder, a_yaml=SECRET + "---\n" + config_map("c", extra="data: {x: public}\n"))
    values = secret_values(load(Sources(["a.yaml"]), VALUES))
    found = [value.text for value in values]
    assert {"aGVsbG8td29ybGQ=", "hello-world", "/////w==", "plain-value", "8080", "first"} <= set(found)
    assert {"b2xkLXZhbHVl", "old-value", "plain-old"} <= set(found)
    assert "public" not in found
    assert "" not in found
    assert {value.label for value in values if value.text in ("plain-value", "hello-world", "plain-old")} == {
        "b of secret/s",
        "a of secret/s",
        "older of secret/s",
    }
    assert "plain-value" not in repr(values)


def test_a_malformed_secret_is_no_crash():
    odd = Manifest({"kind": "Secret", "data": 1, "stringData": None, "metadata": {"annotations": "x"}}, "a", 1)
    assert [value.text for value in secret_values([odd])] == ["1"]


def test_what_is_nested_in_a_secret_by_mistake_is_known_too():
    odd = Manifest({"kind": "Secret", "stringData": {"db": {"password": ["hunter2"]}}, "metadata": {}}, "a", 1)
    assert [value.text for value in secret_values([odd])] == ["hunter2"]


def test_errors_about_a_secret_do_not_repeat_its_values(folder):
    text = SECRET.replace("name: s", "name: 12").replace("port: 8080", "port: hunter2, port: hunter3, x: ${N:=hunter4}")
    write(folder, a_yaml=text)
    message = failure("a.yaml")
    assert "hunter" not in message
    assert "plain" not in message


def test_a_generated_name_points_to_the_verbs_that_take_it(folder):
    text = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: migrate-\n"
    write(folder, a_yaml=text, b_yaml=text.replace("migrate-", "''"))
    message = failure("a.yaml")
    assert "k8s-step create, or k8s-step run for a Job" in message and "metadata.name is missing" not in message
    assert [one.name for one in load(Sources(["a.yaml"]), VALUES, allow_generate_name=True)] == [""]
    assert failure("b.yaml", allow_generate_name=True) == "b.yaml:4: metadata.generateName is empty"


# --- files that are no templates -----------------------------------------------------------------------------------

UNRENDERED = "data:\n  x: ${job:raw} {{ x }}\n"


def test_no_file_is_a_template_where_that_is_said(folder):
    write(folder, a_yaml=config_map("a", extra=UNRENDERED), b_yaml_j2=config_map("b", extra=UNRENDERED))
    found = load(Sources(["."]), VALUES, literal=NoTemplates(all=True))
    assert [one.object["data"]["x"] for one in found] == ["${job:raw} {{ x }}"] * 2


@pytest.mark.parametrize("pattern", ["k8s/dash.yaml", "dash.*", "./k8s/d*", "k8s/*sh.yaml", "*/dash.yaml", "**/dash*"])
def test_a_file_that_matches_is_no_template_and_the_others_are(folder, pattern):
    (folder / "k8s").mkdir()
    write(folder, k8s__dash_yaml=config_map("dash", extra=UNRENDERED), k8s__web_yaml=config_map("web-${TAG}"))
    found = load(Sources(["k8s"]), VALUES, literal=NoTemplates(globs=(pattern,)))
    assert [one.name for one in found] == ["dash", "web-1.2"]


def test_a_star_goes_down_into_folders(folder):
    (folder / "k8s/sub").mkdir(parents=True)
    write(folder, k8s__sub__dash_yaml=config_map("dash", extra=UNRENDERED), web_yaml=config_map("web-${TAG}"))
    found = load(Sources(["."], recursive=True), VALUES, literal=NoTemplates(globs=("k8s/*",)))
    assert [one.name for one in found] == ["dash", "web-1.2"]


def test_standard_input_may_be_no_template():
    text = io.StringIO(config_map("dash", extra=UNRENDERED))
    (found,) = load(Sources(["-"], stdin=text), VALUES, literal=NoTemplates(globs=("-",)))
    assert found.object["data"] == {"x": "${job:raw} {{ x }}"}


def test_a_pattern_that_matches_no_file_is_an_error(folder):
    write(folder, web_yaml=config_map("web"))
    message = failure(".", literal=NoTemplates(globs=("dash*.json", "web.yaml")))
    assert message == "--no-template-file: no manifest matches dash*.json"
