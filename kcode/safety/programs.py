"""What is known of programs, as tables: which only read, which test or build, which are dangerous.

A row of :data:`READS` names the options that make a reading program write, execute or read a list of
files: long ones count with every beginning of theirs, as GNU's own parser takes them.
"""

from __future__ import annotations

import re

from kcode.safety.shell_words import names

READS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        names(
            "ls pwd cat head tail nl stat df which basename dirname realpath readlink echo true false : "
            "uname "
            "whoami id cmp cut tr comm paste join fold fmt expand unexpand rev tac seq od cksum sum md5sum "
            "sha1sum sha224sum sha256sum sha384sum sha512sum b2sum nproc arch uptime free test [ type wait "
            "shift return exit break continue sleep strings cloc cd printf read locale getconf hexdump "
            "base64 md5 shasum pgrep tsort factor numfmt look"
        ),
        frozenset(),
    ),
    "wc": names("--files0-from"),
    "du": names("--files0-from --exclude-from -X"),
    "sort": names("-o --output -T --temporary-directory --compress-program --files0-from"),
    "grep": names("-f --file --exclude-from"),
    "egrep": names("-f --file --exclude-from"),
    "fgrep": names("-f --file --exclude-from"),
    "rg": names("--pre --pre-glob --hostname-bin --search-zip -z --ignore-file --file -f"),
    "diff": names("--to-file --from-file --exclude-from -X"),
    "tree": names("-o -R --output --fromfile --fromtabfile --gitfile --infofile"),
    "date": names("-s --set -f --file"),
    "file": names("-C --compile -m --magic-file -f --files-from -z --uncompress -Z"),
    "jq": names("-f --from-file -L --library-path --rawfile --slurpfile --run-tests"),
    "column": names("--input-separator-file"),
    "yq": names("-i --inplace -s --split-exp --split-exp-file --from-file -f"),
    "bat": names("--pager --paging --diff-args -m --config-file --config-dir"),
}
ANYTHING = names("echo true false : test [ printf basename dirname exit return seq sleep tr wait shift")
"""Reading programs to which a word that is not known can do no harm."""

COUNTS = names("wc ls stat du md5sum sha1sum sha256sum sha512sum cksum")
"""Reading programs that show nothing of the files named to them, and that no option makes write."""

SHOWS = names(
    "cat head tail nl less more bat tac rev strings od hexdump xxd base64 cut sort uniq paste fold jq awk sed"
)
"""Programs that put the content of the files named to them on the screen."""

GIT_READS: dict[str, frozenset[str] | None] = {
    **dict.fromkeys(
        names(
            "status diff log show blame ls-files rev-parse describe shortlog rev-list name-rev merge-base "
            "ls-tree cat-file count-objects diff-tree diff-index for-each-ref show-ref whatchanged "
            "check-ignore show-branch version cherry var grep"
        )
    ),
    "branch": names(
        "-a -r -v -vv --all --list --show-current --remotes --verbose --no-color --merged --no-merged"
    ),
    "tag": names("-l -n --list"),
    "remote": names("-v --verbose"),
    "stash": names("list"),
    "worktree": names("list"),
    "reflog": names("show -n --oneline -1 -3 -5 -10 -20 -30 -50 5 10 20 30 50"),
    "submodule": names("status"),
    "config": names("--list -l --get --show-origin --show-scope --local user.name user.email"),
}
GIT_DANGER = names(
    "--output --ext-diff --textconv --exec-path --open-files-in-pager --contents --no-index --parseopt "
    "--sq-quote --show-signature --filters --use-mailmap-file -O -o"
)
GIT_PUBLISHES = names("push send-email svn p4 request-pull")
GIT_RUNS = names(
    "credential bisect rebase filter-branch submodule difftool mergetool daemon instaweb web--browse"
)

TESTS: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        names("pytest py.test"),
        names(
            "-p --basetemp -c --config-file --rootdir --pdbcls -o --override-ini --confcutdir --log-file "
            "--debug --junitxml --junit-xml --result-log --report-log --html --json-report-file "
            "--pastebin"
        ),
    ),
    "tox": names("-c --workdir --installpkg -x --override"),
    "nox": names("-f --noxfile --envdir"),
    "mypy": names(
        "--install-types --cache-dir --junit-xml --python-executable --any-exprs-report --html-report "
        "--cobertura-xml-report --linecount-report --linecoverage-report --lineprecision-report --txt-report "
        "--xml-report --xslt-html-report --xslt-txt-report --custom-typing-module --custom-typeshed-dir "
        "--shadow-file"
    ),
    "pyright": names("--pythonpath --createstub"),
    "flake8": names("--output-file --tee --config --append-config"),
    "pylint": names("--init-hook --output --load-plugins --rcfile"),
    "black": frozenset(),
    "isort": frozenset(),
    "lint-imports": frozenset(),
    "bandit": names("-o --output"),
    "eslint": names(
        "--fix --fix-dry-run -o --output-file --rulesdir --resolve-plugins-relative-to --init --parser "
        "--plugin --cache-file --cache-location --env-info"
    ),
    "tsc": names("--outDir --outFile --build --init --watch -w --declarationDir --generateTrace --plugins"),
    "prettier": names("--write -w --plugin --config"),
    "jest": names(
        "--outputFile --config --globalSetup --globalTeardown -u --updateSnapshot --watch --watchAll "
        "--setupFiles --setupFilesAfterEnv --testRunner --runner --transform --reporters --resolver "
        "--preset --rootDir --coverageDirectory --cacheDirectory --filter --testEnvironment --env --init "
        "--clearCache"
    ),
    "vitest": names("--outputFile --config -u --update"),
    "mocha": names("--require -r --config"),
    "rspec": names("-r --require -o --out -I -O --options"),
    "rubocop": names("-a -A --auto-correct --autocorrect -r --require --out -o"),
    "phpunit": names(
        "--bootstrap --configuration -c --log-junit --log-teamcity --log-events-text --testdox-html "
        "--testdox-text --testdox-xml --coverage-clover --coverage-html --coverage-php --coverage-text "
        "--coverage-xml --generate-baseline --generate-configuration --migrate-configuration "
        "--cache-directory --extension --include-path --prepend -d"
    ),
    "shellcheck": frozenset(),
    "hadolint": frozenset(),
    "yamllint": frozenset(),
    "ctest": names(
        "-S -SP -D --build-and-test -O --output-log --test-command --build-makeprogram --build-generator"
    ),
    "ninja": names("-f -t"),
    "gofmt": names("-w -cpuprofile"),
    "rustfmt": frozenset(),
    "staticcheck": frozenset(),
    "actionlint": names("-config-file -shellcheck -pyflakes -init-config"),
    "tflint": names("--fix --config --chdir --init"),
    "swiftlint": names("--fix --autocorrect --config --output --write-baseline"),
    "clang-tidy": names("--fix -fix --fix-errors --load -load --export-fixes"),
}
CHECK_ONLY: dict[str, frozenset[str]] = {
    "black": names("--check --diff"),
    "isort": names("--check --check-only --diff -c"),
    "prettier": names("--check -c --list-different -l"),
    "rustfmt": names("--check"),
    "vitest": names("run --run"),
    "gofmt": names("-l -d -e -s"),
    "clang-format": names("--dry-run -n"),
}
"""Programs that are free only with one of these: without it they rewrite files or stay running."""

SUBCOMMANDS: dict[str, frozenset[str]] = {
    "ruff": names("check"),
    "golangci-lint": names("run linters version"),
    "cargo": names("build test check clippy doc bench tree metadata nextest verify-project"),
    "go": names("build test vet list version doc"),
    "dotnet": names("build test"),
    "mvn": names("clean test compile verify package validate test-compile dependency:tree"),
    "mvnw": names("clean test compile verify package validate test-compile dependency:tree"),
    "gradle": names(
        "clean test build check assemble classes compileJava compileKotlin lint tasks dependencies"
    ),
    "gradlew": names(
        "clean test build check assemble classes compileJava compileKotlin lint tasks dependencies"
    ),
    "swift": names("build test"),
    "zig": names("build test"),
    "mix": names("test compile credo"),
    "flutter": names("test analyze"),
    "dart": names("test analyze"),
    "stack": names("test build"),
    "cabal": names("test build"),
    "meson": names("test compile"),
    "phpstan": names("analyse analyze"),
    "composer": names("validate show test check lint"),
    "poetry": names("show check"),
    "rails": names("test routes about stats notes"),
    "playwright": names("test"),
    "sbt": names("test compile"),
    "bazel": names("build test query"),
    "deno": names("test check lint"),
    "bun": names("test"),
    "make": names("test tests check lint build all typecheck type-check unit unittest coverage mypy"),
    "just": names("test tests check lint build all typecheck unit coverage"),
    "rake": names("test spec"),
    "npm": names("test t tst ls list outdated view"),
    "yarn": names("test lint build list why"),
    "pnpm": names("test lint build list ls why"),
    "hatch": names("test"),
    "uv": names("tree"),
    "coverage": names("report"),
    "pip": names("list show freeze check"),
    "pip3": names("list show freeze check"),
}
SUBCOMMAND_DANGER: dict[str, frozenset[str]] = {
    "ruff": names("--fix --fix-only --unsafe-fixes --add-noqa -o --output-file --config --cache-dir"),
    "golangci-lint": names("--fix --config -c --out-format --output --cpu-profile-path --mem-profile-path"),
    "cargo": names(
        "--config --config-file --tool-config-file --fix --open -Z --target-dir --out-dir --artifact-dir "
        "--manifest-path -C"
    ),
    "go": names(
        "-o -toolexec -exec -vettool -overlay -modfile -w -c -C -ldflags -gcflags -gccgoflags -asmflags "
        "-i -fuzzcachedir "
        "-cpuprofile -memprofile -blockprofile -mutexprofile -coverprofile -trace -outputdir -pkgdir "
        "-compiler"
    ),
    "make": names("-f --file --makefile -C --directory -E --eval -I --include-dir -o -W"),
    "just": names("-f --justfile -d --working-directory --shell --set --command -c"),
    "mvn": names("-f --file -s --settings -gs"),
    "gradle": names("-b -c -I --init-script -p --project-dir --include-build -g"),
    "npm": names(
        "--prefix --script-shell --userconfig --globalconfig -g --node-options -C --registry --proxy "
        "--shell --call"
    ),
    "yarn": names("--cwd --use-yarnrc"),
    "pnpm": names("-C --dir --script-shell"),
    "bazel": names("--run_under --override_repository --shell_executable"),
    "swift": names("--package-path -Xswiftc -Xcc"),
    "deno": names("-A --allow-all --config --fix"),
    "dotnet": names(
        "-o --output --logger -l --results-directory -r --settings -s --test-adapter-path --artifacts-path"
    ),
    "hatch": names("--config"),
    "uv": names("-p --python --config-file --directory --project"),
    "bun": names("--preload -r --require --config -c --cwd -e --eval -p --print"),
    "mix": names("-r --require -e --eval"),
    "meson": names("--wrap --wrapper"),
    "phpstan": names("-c --configuration -a --autoload-file -b --generate-baseline"),
    "composer": names("-d --working-dir"),
    "poetry": names("-C --directory -P --project"),
    "playwright": names("-c --config -u --update-snapshots --ui --tsconfig --output"),
    "stack": names("--exec --stack-yaml --docker"),
    "cabal": names("--project-file --with-compiler -w"),
}
SUBCOMMAND_DANGER["mvnw"] = SUBCOMMAND_DANGER["mvn"]
SUBCOMMAND_DANGER["gradlew"] = SUBCOMMAND_DANGER["gradle"]
SCRIPT_NAMES = names("test tests lint build check typecheck type-check unit coverage types tsc eslint ci")
"""``npm run NAME`` is free for these and for ``test:…``, ``lint:…``, ``build:…``, ``check:…``."""

PYTHON_MODULES = names(
    "pytest unittest mypy ruff black isort flake8 pylint pyright compileall tabnanny doctest"
)
NPX_TOOLS = names("tsc eslint jest vitest prettier mocha playwright")
SUITES = re.compile(
    r"(py|pypy)[\d.-]*|(test|tests|lint|type|types|typing|mypy|style|flake8|check|cov)\w*([-:].*)?"
)
"""Names of suites that only test and check, for `tox -e` and `nox -s`."""
VERSIONED = names(
    "python python3 pip pip3 node npm npx yarn pnpm go cargo rustc rustup gcc g++ clang make cmake java "
    "javac "
    "ruby ghc stack cabal flutter dart swift zig "
    "gem git pytest ruff mypy uv docker kubectl terraform deno bun php perl bash zsh tsc gh"
)
DANGEROUS: dict[str, str] = {
    **dict.fromkeys(names("sudo su doas pkexec runuser chroot unshare nsenter"), "runs with other rights"),
    **dict.fromkeys(
        names("ssh scp sftp rsync nc ncat netcat socat telnet ftp tftp mail sendmail mutt"),
        "talks to other machines",
    ),
    **dict.fromkeys(
        names("shutdown reboot halt poweroff init telinit systemctl service launchctl"), "changes the system"
    ),
    **dict.fromkeys(names("pkill killall killall5 skill"), "ends programs of others"),
    **dict.fromkeys(names("osascript open xdg-open start"), "starts programs outside"),
    **dict.fromkeys(names("printenv"), "shows the environment"),
    **dict.fromkeys(names("crontab at batch systemd-run"), "leaves something that runs later"),
    **dict.fromkeys(
        names("mount umount losetup modprobe insmod rmmod sysctl iptables nft"), "changes the system"
    ),
    **dict.fromkeys(
        names("useradd userdel usermod groupadd passwd chpasswd visudo chsh"),
        "changes the users of the system",
    ),
    **dict.fromkeys(names("fdisk sfdisk parted wipefs cryptsetup lvremove vgremove shred"), "destroys data"),
    **dict.fromkeys(
        names("twine gh glab hub vercel netlify heroku fly aws gcloud az"), "changes what others see"
    ),
    **dict.fromkeys(
        names("gpg security secret-tool keyctl ssh-add ssh-keygen ssh-copy-id op pass"), "handles keys"
    ),
    **dict.fromkeys(names("gdb strace ltrace ptrace dtrace"), "looks into other processes"),
    **dict.fromkeys(
        names("kubectl helm terraform pulumi ansible ansible-playbook"), "changes other machines"
    ),
}
PUBLISHES: dict[str, frozenset[str]] = {
    "npm": names("publish unpublish login adduser deprecate owner token"),
    "yarn": names("publish"),
    "pnpm": names("publish"),
    "cargo": names("publish yank login owner"),
    "uv": names("publish"),
    "poetry": names("publish"),
    "hatch": names("publish"),
    "gem": names("push yank"),
    "docker": names("push login"),
    "git": GIT_PUBLISHES,
}
CHANGES_FILES = names(
    "rm rmdir mv cp ln tee install mkdir touch chmod chown chgrp truncate dd unlink rsync split"
)
SHELLS = names("sh bash dash zsh ksh ash fish busybox")
UNREADABLE = names("eval source . trap alias bind enable complete exec let builtin fc mapfile readarray hash")
"""Words of the shell that turn text into commands, or change what later words mean."""

HARMLESS_VARIABLES = names(
    "CI NO_COLOR FORCE_COLOR CLICOLOR CLICOLOR_FORCE LANG LANGUAGE LC_ALL LC_CTYPE LC_MESSAGES TZ "
    "COLUMNS LINES "
    "TERM RUST_BACKTRACE RUST_LOG NODE_ENV CGO_ENABLED GOOS GOARCH PYTHONUNBUFFERED "
    "PYTHONDONTWRITEBYTECODE PYTHONHASHSEED PYTHONUTF8 CARGO_TERM_COLOR DEBUG VERBOSE "
    "PY_COLORS GIT_TERMINAL_PROMPT RAILS_ENV RACK_ENV APP_ENV MIX_ENV"
)
MODULE_VARIABLES = names("DJANGO_SETTINGS_MODULE FLASK_APP")
"""Variables that name a module of the project."""

DANGEROUS_VARIABLES = names(
    "PATH IFS BASH_ENV ENV SHELLOPTS BASHOPTS PS4 PROMPT_COMMAND CDPATH SHELL HOME PAGER EDITOR VISUAL "
    "BROWSER "
    "LESSOPEN LESSCLOSE MANPAGER NODE_OPTIONS NODE_PATH PERL5LIB PERL5OPT RUBYOPT RUBYLIB JAVA_TOOL_OPTIONS "
    "_JAVA_OPTIONS CLASSPATH RUSTC_WRAPPER RUSTFLAGS RUSTC GOFLAGS CC CXX LD AR MAKEFLAGS MAKEFILES "
    "PYTEST_ADDOPTS PYTEST_PLUGINS XDG_CONFIG_HOME TMPDIR SSH_AUTH_SOCK SSH_ASKPASS DOCKER_HOST KUBECONFIG "
    "http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY"
)
DANGEROUS_BEGINNINGS = (
    "LD_",
    "DYLD_",
    "GIT_",
    "PYTHON",
    "NPM_CONFIG_",
    "npm_config_",
    "CARGO_",
    "PIP_",
    "UV_",
    "KCODE_",
    "BASH_FUNC",
    "GCONV",
    "AWS_",
)
