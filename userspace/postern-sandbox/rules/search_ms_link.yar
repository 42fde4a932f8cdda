rule search_ms_link : suspicious
{
    meta:
        description = "A link that opens a search of Windows on somebody else's share, which looks like a folder of one's own"
    strings:
        $link = /search(-ms)?:[^"'<>\s]{0,200}query=/ ascii wide nocase
        $place = /crumb=location(:|%3A)[^"'<>&]{0,40}(\\\\|%5C%5C|https?:|DavWWWRoot)/ ascii wide nocase
    condition:
        $link and $place
}
