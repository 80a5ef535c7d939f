/** What each shell has to know of ibt: everything else is asked of `ibt __complete`. */
export const SCRIPTS = {
  bash: `# Completion of ibt for bash: source <(ibt completion bash)
_ibt() {
  local line value
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files) compopt -o default ;;
      :dirs) compopt -o plusdirs ;;
      *) printf -v value %q "\${line%%$'\\t'*}"; COMPREPLY+=("$value") ;;
    esac
  done < <("$1" __complete bash "\${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
  [[ \${#COMPREPLY[@]} -ne 1 || \${COMPREPLY[0]} != */ ]] || compopt -o nospace
}
complete -F _ibt ibt`,
  zsh: `#compdef ibt
# Completion of ibt for zsh: source <(ibt completion zsh), or this as _ibt in a directory of fpath
_ibt() {
  local line
  local -a values shown directories
  for line in "\${(@f)$("\${(Q)words[1]}" __complete zsh "\${(@Q)words[2,CURRENT]}" 2> /dev/null)}"; do
    case $line in
      ('') ;;
      (:files) _files ;;
      (:dirs) _files -/ ;;
      (*/$'\\t'*) directories+=("\${line%%$'\\t'*}") ;;
      (*) values+=("\${line%%$'\\t'*}"); shown+=("\${line/$'\\t'/  }") ;;
    esac
  done
  (( $#directories )) && compadd -S '' -- "$directories[@]"
  (( $#values )) && compadd -l -d shown -- "$values[@]"
}
if [[ $funcstack[1] == _ibt ]]; then _ibt "$@"; else compdef _ibt ibt; fi`,
  fish: `# Completion of ibt for fish: ibt completion fish | source
function __ibt_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] __complete fish $words[2..-1] "$current" 2> /dev/null)
    switch $line
      case ':files'
        __fish_complete_path "$current"
      case ':dirs'
        __fish_complete_directories "$current" ''
      case '*'
        echo $line
    end
  end
end
complete -c ibt -f -a '(__ibt_complete)'`
} as const

/** A shell that can be completed in. */
export type Shell = keyof typeof SCRIPTS
