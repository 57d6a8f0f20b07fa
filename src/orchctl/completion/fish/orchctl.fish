# orchctl(1) completion for fish: asks `orchctl complete` what may stand at the cursor.

function __orchctl_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    command $program complete -- $words (commandline -ct) 2>/dev/null
end

complete -c orchctl -f -n 'not contains -- :files (__orchctl_complete)' -a '(__orchctl_complete)'
complete -c orchctl -F -n 'contains -- :files (__orchctl_complete)'
