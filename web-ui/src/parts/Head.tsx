import { Breadcrumb, BreadcrumbItem, Content, Flex, FlexItem, PageSection, Title } from "@patternfly/react-core";
import { useEffect, type ReactNode } from "react";

/** The head of a page. A page below another says which. */
export function Head({ title, text, above, children }: { title: string; text?: string; above?: { name: string; to: string; here: string }; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Postern`;
  }, [title]);
  return (
    <PageSection>
      {above && <Breadcrumb><BreadcrumbItem to={above.to}>{above.name}</BreadcrumbItem><BreadcrumbItem isActive>{above.here}</BreadcrumbItem></Breadcrumb>}
      <Flex justifyContent={{ default: "justifyContentSpaceBetween" }} alignItems={{ default: "alignItemsCenter" }}>
        <FlexItem><Title headingLevel="h1" className="postern-break">{title}</Title></FlexItem>
        {children && <FlexItem><Flex>{children}</Flex></FlexItem>}
      </Flex>
      {text && <Content component="p" className="postern-soft">{text}</Content>}
    </PageSection>
  );
}
